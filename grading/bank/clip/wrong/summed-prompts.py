# /// case
# check = "clip/zero_shot"
# misconception = "mean-not-normalised"
# about = "the sum of unit vectors"
# ///

# %% zero_shot_weights
def zero_shot_weights(encode, classes, templates):
    features = torch.stack([encode([t.replace("{}", c) for t in templates]) for c in classes])  # (K, T, dim)
    return nn.functional.normalize(features, dim=2).sum(1)
