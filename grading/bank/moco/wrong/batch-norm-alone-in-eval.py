# /// case
# check = "moco/probe"
# about = "switches batch norm to eval mode and nothing else"
# ///

# %% features
def features(encoder, x, batch):
    norms = [part for part in encoder.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    modes = [part.training for part in norms]
    for part in norms:
        part.eval()
    with torch.no_grad():
        rows = torch.cat([encoder(some).flatten(1) for some in x.split(batch)])
    for part, training in zip(norms, modes):
        part.training = training
    return rows
