# /// case
# check = "moco/probe"
# about = "switches gradients off for all that comes afterwards"
# ///

# %% features
def features(encoder, x, batch):
    modes = [(part, part.training) for part in encoder.modules()]
    encoder.eval()
    torch.set_grad_enabled(False)
    rows = torch.cat([encoder(some).flatten(1) for some in x.split(batch)])
    for part, training in modes:
        part.training = training
    return rows
