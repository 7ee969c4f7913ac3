# /// case
# check = "clip/logits"
# misconception = "temperature-not-learned"
# about = "the scale is a number"
# ///

# %% similarity
def similarity(image, text, t):
    image, text = nn.functional.normalize(image, dim=1), nn.functional.normalize(text, dim=1)
    return math.exp(t) * image @ text.T
