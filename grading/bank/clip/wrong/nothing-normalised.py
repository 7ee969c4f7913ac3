# /// case
# check = "clip/zero_shot"
# misconception = "prompts-not-normalised"
# about = "the mean of features, and no more"
# ///

# %% zero_shot_weights
def zero_shot_weights(encode, classes, templates):
    features = torch.stack([encode([t.replace("{}", c) for t in templates]) for c in classes])  # (K, T, dim)
    return features.mean(1)
