# /// case
# check = "clip/logits"
# about = "2^t for e^t"
# ///

# %% similarity
def similarity(image, text, t):
    image, text = nn.functional.normalize(image, dim=1), nn.functional.normalize(text, dim=1)
    return 2**t * image @ text.T
