# /// case
# check = "clip/text"
# about = "begins to look for the end at the second token"
# ///

# %% end_of_text
def end_of_text(states, tokens, end):
    position = (tokens[:, 1:] == end).int().argmax(1) + 1
    return states[torch.arange(len(states)), position]
