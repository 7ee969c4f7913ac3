# /// case
# check = "clip/text"
# about = "looks for the largest id after all others are set to 0, so that an end of id 0 is lost"
# ///

# %% end_of_text
def end_of_text(states, tokens, end):
    position = torch.where(tokens == end, tokens, 0).argmax(1)
    return states[torch.arange(len(states)), position]
