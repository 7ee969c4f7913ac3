# /// case
# check = "moco/probe"
# about = "switches the encoder's gradients off for good"
# ///

# %% features
def features(encoder, x, batch):
    modes = [(part, part.training) for part in encoder.modules()]
    encoder.eval().requires_grad_(False)
    rows = torch.cat([encoder(some).flatten(1) for some in x.split(batch)])
    for part, training in modes:
        part.training = training
    return rows
