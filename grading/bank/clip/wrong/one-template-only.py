# /// case
# check = "clip/zero_shot"
# misconception = "one-template-only"
# about = "the first template"
# ///

# %% zero_shot_weights
def zero_shot_weights(encode, classes, templates):
    features = torch.stack([encode([t.replace("{}", c) for t in templates]) for c in classes])  # (K, T, dim)
    return nn.functional.normalize(features[:, 0], dim=1)
