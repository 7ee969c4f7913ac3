# /// case
# check = "moco/momentum"
# about = "puts new parameters in the place of the old ones"
# ///

# %% momentum_update
def momentum_update(query, key, m):
    parts = dict(key.named_modules())
    for (name, theta_q), theta_k in zip(list(query.named_parameters()), list(key.parameters())):
        path, _, last = name.rpartition(".")
        setattr(parts[path], last, nn.Parameter((m * theta_k + (1 - m) * theta_q).detach(), requires_grad=False))
