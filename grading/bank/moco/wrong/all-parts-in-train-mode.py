# /// case
# check = "moco/probe"
# misconception = "modes-not-restored"
# about = "switches every part to train mode afterwards"
# ///

# %% features
def features(encoder, x, batch):
    encoder.eval()
    with torch.no_grad():
        rows = torch.cat([encoder(some).flatten(1) for some in x.split(batch)])
    encoder.train()
    return rows
