# /// case
# check = "clip/zero_shot"
# misconception = "prompts-mixed-up"
# about = "template by template, taken apart class by class"
# ///

# %% zero_shot_weights
def zero_shot_weights(encode, classes, templates):
    prompts = [t.replace("{}", c) for t in templates for c in classes]
    features = nn.functional.normalize(encode(prompts), dim=1).view(len(classes), len(templates), -1)
    return nn.functional.normalize(features.mean(1), dim=1)
