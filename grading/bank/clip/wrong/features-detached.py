# /// case
# check = "clip/logits"
# about = "the temperature alone has a gradient"
# ///

# %% similarity
def similarity(image, text, t):
    image, text = nn.functional.normalize(image, dim=1), nn.functional.normalize(text, dim=1)
    return t.exp() * (image @ text.T).detach()
