# /// case
# check = "moco/probe"
# about = "joins whole batches before it looks for a rest"
# ///

# %% features
def features(encoder, x, batch):
    modes = [(part, part.training) for part in encoder.modules()]
    encoder.eval()
    with torch.no_grad():
        n = len(x) // batch * batch
        rows = torch.cat([encoder(x[i : i + batch]).flatten(1) for i in range(0, n, batch)])
        if n < len(x):
            rows = torch.cat([rows, encoder(x[n:]).flatten(1)])
    for part, training in modes:
        part.training = training
    return rows
