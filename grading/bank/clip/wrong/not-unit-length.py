# /// case
# check = "clip/logits"
# misconception = "not-unit-length"
# about = "products of the features as they come"
# ///

# %% similarity
def similarity(image, text, t):
    return t.exp() * image @ text.T
