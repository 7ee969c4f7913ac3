# /// case
# check = "clip/text"
# misconception = "mean-pooled"
# about = "the mean over all positions"
# ///

# %% end_of_text
def end_of_text(states, tokens, end):
    every = torch.arange(len(states))
    return states.mean(1)
