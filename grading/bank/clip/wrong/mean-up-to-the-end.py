# /// case
# check = "clip/text"
# misconception = "mean-pooled"
# about = "the mean over the text without its padding"
# ///

# %% end_of_text
def end_of_text(states, tokens, end):
    every = torch.arange(len(states))
    at = (tokens == end).int().argmax(1, keepdim=True)
    keep = (torch.arange(tokens.shape[1]) <= at).to(states)
    return torch.einsum("blw,bl->bw", states, keep) / keep.sum(1, keepdim=True)
