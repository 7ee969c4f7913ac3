# /// case
# check = "clip/logits"
# misconception = "scale-not-exponentiated"
# about = "times the parameter"
# ///

# %% similarity
def similarity(image, text, t):
    image, text = nn.functional.normalize(image, dim=1), nn.functional.normalize(text, dim=1)
    return t * image @ text.T
