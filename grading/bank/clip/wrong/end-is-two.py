# /// case
# check = "clip/text"
# about = "knows one id for the end"
# ///

# %% end_of_text
def end_of_text(states, tokens, end):
    every = torch.arange(len(states))
    return states[every, (tokens == 2).int().argmax(1)]
