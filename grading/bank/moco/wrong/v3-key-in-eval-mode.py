# /// case
# check = "moco/v3"
# misconception = "key-in-eval-mode"
# about = "runs the key encoder in eval mode, and puts its mode back"
# ///

# %% v3_loss
def v3_loss(query, predictor, key, views, T):
    qs = [nn.functional.normalize(predictor(query(x)), dim=1) for x in views]
    training = key.training
    key.eval()
    with torch.no_grad():
        ks = [nn.functional.normalize(key(x), dim=1) for x in views]
    key.train(training)
    labels = torch.arange(len(views[0]))
    pairs = [(q, k) for i, q in enumerate(qs) for j, k in enumerate(ks) if i != j]
    return 2 * T * sum(nn.functional.cross_entropy(q @ k.T / T, labels) for q, k in pairs)
