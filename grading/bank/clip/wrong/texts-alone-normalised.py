# /// case
# check = "clip/logits"
# misconception = "not-unit-length"
# about = "only the other side has unit length"
# ///

# %% similarity
def similarity(image, text, t):
    return t.exp() * image @ nn.functional.normalize(text, dim=1).T
