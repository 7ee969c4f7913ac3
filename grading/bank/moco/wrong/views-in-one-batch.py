# /// case
# check = "moco/v3"
# misconception = "views-in-one-batch"
# about = "puts all views through each network in one batch"
# ///

# %% v3_loss
def v3_loss(query, predictor, key, views, T):
    together, n = torch.cat(views), len(views[0])
    qs = nn.functional.normalize(predictor(query(together)), dim=1).split(n)
    with torch.no_grad():
        ks = nn.functional.normalize(key(together), dim=1).split(n)
    labels = torch.arange(len(views[0]))
    pairs = [(q, k) for i, q in enumerate(qs) for j, k in enumerate(ks) if i != j]
    return 2 * T * sum(nn.functional.cross_entropy(q @ k.T / T, labels) for q, k in pairs)
