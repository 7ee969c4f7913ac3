# /// case
# check = "clip/logits"
# about = "1 / 0.07 for ever"
# ///

# %% similarity
def similarity(image, text, t):
    image, text = nn.functional.normalize(image, dim=1), nn.functional.normalize(text, dim=1)
    return image @ text.T / 0.07
