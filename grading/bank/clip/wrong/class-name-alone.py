# /// case
# check = "clip/zero_shot"
# about = "no template"
# ///

# %% zero_shot_weights
def zero_shot_weights(encode, classes, templates):
    return nn.functional.normalize(encode(classes), dim=1)
