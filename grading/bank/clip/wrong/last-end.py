# /// case
# check = "clip/text"
# misconception = "last-end"
# about = "counts from behind"
# ///

# %% end_of_text
def end_of_text(states, tokens, end):
    every = torch.arange(len(states))
    last = tokens.shape[1] - 1 - (tokens == end).flip(1).int().argmax(1)
    return states[every, last]
