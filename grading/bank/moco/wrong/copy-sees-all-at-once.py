# /// case
# check = "moco/probe"
# about = "gives a copy of the encoder all pictures at once"
# ///

# %% features
def features(encoder, x, batch):
    with torch.no_grad():
        return copy.deepcopy(encoder).eval()(x).flatten(1)
