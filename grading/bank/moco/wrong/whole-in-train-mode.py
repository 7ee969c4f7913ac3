# /// case
# check = "moco/probe"
# misconception = "probe-in-train-mode"
# about = "all pictures at once, in train mode"
# ///

# %% features
def features(encoder, x, batch):
    encoder.train()
    with torch.no_grad():
        return encoder(x).flatten(1)
