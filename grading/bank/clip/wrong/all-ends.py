# /// case
# check = "clip/text"
# about = "the states of all ends one after the other"
# ///

# %% end_of_text
def end_of_text(states, tokens, end):
    every = torch.arange(len(states))
    return states[tokens == end]
