# /// case
# check = "clip/logits"
# misconception = "scale-not-exponentiated"
# about = "the parameter is taken for a temperature"
# ///

# %% similarity
def similarity(image, text, t):
    image, text = nn.functional.normalize(image, dim=1), nn.functional.normalize(text, dim=1)
    return image @ text.T / t
