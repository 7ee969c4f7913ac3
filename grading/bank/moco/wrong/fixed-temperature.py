# /// case
# check = "moco/v3"
# about = "knows the paper's temperature"
# ///

# %% v3_loss
def v3_loss(query, predictor, key, views, T):
    T = 0.2
    qs = [nn.functional.normalize(predictor(query(x)), dim=1) for x in views]
    with torch.no_grad():
        ks = [nn.functional.normalize(key(x), dim=1) for x in views]
    labels = torch.arange(len(views[0]))
    pairs = [(q, k) for i, q in enumerate(qs) for j, k in enumerate(ks) if i != j]
    return 2 * T * sum(nn.functional.cross_entropy(q @ k.T / T, labels) for q, k in pairs)
