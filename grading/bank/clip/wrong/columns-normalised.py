# /// case
# check = "clip/logits"
# about = "divides by the length of the columns"
# ///

# %% similarity
def similarity(image, text, t):
    image, text = nn.functional.normalize(image, dim=0), nn.functional.normalize(text, dim=0)
    return t.exp() * image @ text.T
