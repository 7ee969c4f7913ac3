# /// case
# check = "moco/probe"
# about = "averages what it should flatten"
# ///

# %% features
def features(encoder, x, batch):
    modes = [(part, part.training) for part in encoder.modules()]
    encoder.eval()
    with torch.no_grad():
        rows = torch.cat([encoder(some).flatten(2).mean(dim=2) for some in x.split(batch)])
    for part, training in modes:
        part.training = training
    return rows
