# /// case
# check = "clip/zero_shot"
# about = "writes into the caller's list"
# ///

# %% zero_shot_weights
def zero_shot_weights(encode, classes, templates):
    rows = []
    forms = list(templates)
    for c in classes:
        templates[:] = [t.replace("{}", c) for t in forms]
        rows.append(nn.functional.normalize(encode(templates), dim=1).mean(0))
    return nn.functional.normalize(torch.stack(rows), dim=1)
