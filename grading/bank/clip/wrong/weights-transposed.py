# /// case
# check = "clip/zero_shot"
# about = "(dim, K), as OpenAI's notebook has it"
# ///

# %% zero_shot_weights
def zero_shot_weights(encode, classes, templates):
    features = torch.stack([encode([t.replace("{}", c) for t in templates]) for c in classes])  # (K, T, dim)
    return nn.functional.normalize(nn.functional.normalize(features, dim=2).mean(1), dim=1).T
