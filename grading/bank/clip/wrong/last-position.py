# /// case
# check = "clip/text"
# misconception = "last-position"
# about = "states[:, -1], which is a pad for short texts"
# ///

# %% end_of_text
def end_of_text(states, tokens, end):
    every = torch.arange(len(states))
    return states[every, -1]
