# /// case
# check = "clip/zero_shot"
# misconception = "one-template-only"
# about = "a loop that overwrites"
# ///

# %% zero_shot_weights
def zero_shot_weights(encode, classes, templates):
    for t in templates:
        weights = nn.functional.normalize(encode([t.replace("{}", c) for c in classes]), dim=1)
    return weights
