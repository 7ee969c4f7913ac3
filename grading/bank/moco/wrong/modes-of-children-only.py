# /// case
# check = "moco/probe"
# misconception = "modes-not-restored"
# about = "remembers the modes of the encoder and its children, not of their parts"
# ///

# %% features
def features(encoder, x, batch):
    modes = [(part, part.training) for part in (encoder, *encoder.children())]
    encoder.eval()
    with torch.no_grad():
        rows = torch.cat([encoder(some).flatten(1) for some in x.split(batch)])
    for part, training in modes:
        part.train(training)
    return rows
