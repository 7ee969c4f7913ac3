# /// case
# check = "clip/zero_shot"
# misconception = "prompts-mixed-up"
# about = "class by class, taken apart template by template"
# ///

# %% zero_shot_weights
def zero_shot_weights(encode, classes, templates):
    prompts = [t.replace("{}", c) for c in classes for t in templates]
    features = nn.functional.normalize(encode(prompts), dim=1).view(len(templates), len(classes), -1)
    return nn.functional.normalize(features.mean(0), dim=1)
