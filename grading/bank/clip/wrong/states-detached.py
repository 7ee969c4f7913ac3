# /// case
# check = "clip/text"
# about = "the states' graph is left behind"
# ///

# %% end_of_text
def end_of_text(states, tokens, end):
    every = torch.arange(len(states))
    return states.detach()[every, (tokens == end).int().argmax(1)]
