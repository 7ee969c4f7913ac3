# /// case
# check = "clip/logits"
# misconception = "temperature-upside-down"
# about = "divided by exp(t)"
# ///

# %% similarity
def similarity(image, text, t):
    image, text = nn.functional.normalize(image, dim=1), nn.functional.normalize(text, dim=1)
    return image @ text.T / t.exp()
