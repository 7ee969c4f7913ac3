# /// case
# check = "clip/text"
# about = "clears the caller's states"
# ///

# %% end_of_text
def end_of_text(states, tokens, end):
    every = torch.arange(len(states))
    at = (tokens == end).int().argmax(1)
    pooled = states[every, at].clone()
    with torch.no_grad():
        states.zero_()
    return pooled
