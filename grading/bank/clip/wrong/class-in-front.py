# /// case
# check = "clip/zero_shot"
# about = "puts the class in front of each template"
# ///

# %% zero_shot_weights
def zero_shot_weights(encode, classes, templates):
    rows = [nn.functional.normalize(encode([c + " " + t.replace("{}", "") for t in templates]), dim=1).mean(0) for c in classes]
    return nn.functional.normalize(torch.stack(rows), dim=1)
