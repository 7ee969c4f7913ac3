# /// case
# check = "clip/logits"
# about = "no gradient through the lengths"
# ///

# %% similarity
def similarity(image, text, t):
    image, text = image / image.detach().norm(dim=1, keepdim=True), text / text.detach().norm(dim=1, keepdim=True)
    return t.exp() * image @ text.T
