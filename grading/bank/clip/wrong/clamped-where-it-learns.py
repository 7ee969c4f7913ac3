# /// case
# check = "clip/logits"
# about = "clamps the scale in the forward pass, where it loses its gradient"
# ///

# %% similarity
def similarity(image, text, t):
    image, text = nn.functional.normalize(image), nn.functional.normalize(text)
    return t.exp().clamp(max=100) * image @ text.T
