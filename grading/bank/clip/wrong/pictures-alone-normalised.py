# /// case
# check = "clip/logits"
# misconception = "not-unit-length"
# about = "only one side has unit length"
# ///

# %% similarity
def similarity(image, text, t):
    return t.exp() * nn.functional.normalize(image, dim=1) @ text.T
