# /// case
# check = "moco/probe"
# misconception = "modes-not-restored"
# about = "gives every part the mode of the whole"
# ///

# %% features
def features(encoder, x, batch):
    training = encoder.training
    encoder.eval()
    with torch.no_grad():
        rows = torch.cat([encoder(some).flatten(1) for some in x.split(batch)])
    encoder.train(training)
    return rows
