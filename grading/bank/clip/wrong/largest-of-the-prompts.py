# /// case
# check = "clip/zero_shot"
# about = "the maximum in the place of the mean"
# ///

# %% zero_shot_weights
def zero_shot_weights(encode, classes, templates):
    features = torch.stack([encode([t.replace("{}", c) for t in templates]) for c in classes])  # (K, T, dim)
    return nn.functional.normalize(nn.functional.normalize(features, dim=2).amax(1), dim=1)
