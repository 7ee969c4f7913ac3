# /// case
# check = "clip/zero_shot"
# misconception = "prompts-not-normalised"
# about = "the mean of features as they come"
# ///

# %% zero_shot_weights
def zero_shot_weights(encode, classes, templates):
    features = torch.stack([encode([t.replace("{}", c) for t in templates]) for c in classes])  # (K, T, dim)
    return nn.functional.normalize(features.mean(1), dim=1)
