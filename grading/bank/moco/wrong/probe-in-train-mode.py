# /// case
# check = "moco/probe"
# misconception = "probe-in-train-mode"
# about = "the mode is left as it is"
# ///

# %% features
def features(encoder, x, batch):
    with torch.no_grad():
        return torch.cat([encoder(some).flatten(1) for some in x.split(batch)])
