# /// case
# check = "clip/text"
# about = "the last word instead of the end"
# ///

# %% end_of_text
def end_of_text(states, tokens, end):
    every = torch.arange(len(states))
    return states[every, (tokens == end).int().argmax(1) - 1]
