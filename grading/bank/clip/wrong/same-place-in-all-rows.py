# /// case
# check = "clip/text"
# about = "the first row's end for all"
# ///

# %% end_of_text
def end_of_text(states, tokens, end):
    every = torch.arange(len(states))
    return states[:, int((tokens[0] == end).int().argmax())]
