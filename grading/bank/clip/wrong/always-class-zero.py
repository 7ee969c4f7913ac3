# /// case
# check = "clip/zero_shot"
# about = "always the same"
# ///

# %% classify
def classify(image, weights):
    return torch.zeros(len(image), dtype=torch.long)
