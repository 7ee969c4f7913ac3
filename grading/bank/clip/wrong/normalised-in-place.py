# /// case
# check = "clip/logits"
# about = "the caller's features become unit length"
# ///

# %% similarity
def similarity(image, text, t):
    with torch.no_grad():
        image /= image.norm(dim=1, keepdim=True)
        text /= text.norm(dim=1, keepdim=True)
    return t.exp() * image @ text.T
