# /// case
# check = "moco/probe"
# about = "gives the encoder all pictures at a time"
# ///

# %% features
def features(encoder, x, batch):
    modes = [(part, part.training) for part in encoder.modules()]
    encoder.eval()
    with torch.no_grad():
        rows = encoder(x).flatten(1)
    for part, training in modes:
        part.training = training
    return rows
