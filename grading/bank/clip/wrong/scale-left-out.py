# /// case
# check = "clip/logits"
# about = "cosines alone"
# ///

# %% similarity
def similarity(image, text, t):
    image, text = nn.functional.normalize(image, dim=1), nn.functional.normalize(text, dim=1)
    return image @ text.T
