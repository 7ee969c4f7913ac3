# /// case
# check = "clip/logits"
# about = "texts by pictures"
# ///

# %% similarity
def similarity(image, text, t):
    image, text = nn.functional.normalize(image, dim=1), nn.functional.normalize(text, dim=1)
    return t.exp() * text @ image.T
