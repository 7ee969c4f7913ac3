# /// case
# check = "moco/probe"
# misconception = "modes-not-restored"
# about = "leaves the encoder in eval mode"
# ///

# %% features
def features(encoder, x, batch):
    encoder.eval()
    with torch.no_grad():
        return torch.cat([encoder(some).flatten(1) for some in x.split(batch)])
