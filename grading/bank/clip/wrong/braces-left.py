# /// case
# check = "clip/zero_shot"
# about = "templates as they are"
# ///

# %% zero_shot_weights
def zero_shot_weights(encode, classes, templates):
    rows = [nn.functional.normalize(encode(templates), dim=1).mean(0) for c in classes]
    return nn.functional.normalize(torch.stack(rows), dim=1)
