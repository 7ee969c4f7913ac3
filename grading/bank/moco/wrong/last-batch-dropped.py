# /// case
# check = "moco/probe"
# about = "only whole batches"
# ///

# %% features
def features(encoder, x, batch):
    modes = [(part, part.training) for part in encoder.modules()]
    encoder.eval()
    with torch.no_grad():
        rows = torch.cat([encoder(x[i * batch : (i + 1) * batch]).flatten(1) for i in range(len(x) // batch)])
    for part, training in modes:
        part.training = training
    return rows
