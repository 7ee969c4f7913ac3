# /// case
# check = "clip/zero_shot"
# about = "finds only a class that a picture is like"
# ///

# %% classify
def classify(image, weights):
    logits, found = image @ weights.T, []
    for row in logits.tolist():
        best, at = 0.0, 0
        for i, value in enumerate(row):
            if value > best:
                best, at = value, i
        found.append(at)
    return torch.tensor(found)
