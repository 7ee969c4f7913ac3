# /// case
# check = "clip/text"
# about = "counts tokens that are not 0"
# ///

# %% end_of_text
def end_of_text(states, tokens, end):
    every = torch.arange(len(states))
    return states[every, (tokens != 0).sum(1) - 1]
