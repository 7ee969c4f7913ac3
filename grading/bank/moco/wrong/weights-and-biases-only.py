# /// case
# check = "moco/momentum"
# about = "moves what is called weight or bias, and no other parameter"
# ///

# %% momentum_update
def momentum_update(query, key, m):
    with torch.no_grad():
        for part_q, part_k in zip(query.modules(), key.modules()):
            for name in ("weight", "bias"):
                if isinstance(getattr(part_k, name, None), nn.Parameter):
                    theta_q, theta_k = getattr(part_q, name), getattr(part_k, name)
                    theta_k.copy_(m * theta_k + (1 - m) * theta_q)
