# /// case
# check = "moco/probe"
# about = "keeps the graphs of all batches"
# ///

# %% features
def features(encoder, x, batch):
    modes = [(part, part.training) for part in encoder.modules()]
    encoder.eval()
    rows = torch.cat([encoder(some).flatten(1) for some in x.split(batch)])
    for part, training in modes:
        part.training = training
    return rows
