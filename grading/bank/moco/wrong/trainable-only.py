# /// case
# check = "moco/momentum"
# about = "skips parameters that are frozen in the query encoder"
# ///

# %% momentum_update
def momentum_update(query, key, m):
    with torch.no_grad():
        for theta_q, theta_k in zip(query.parameters(), key.parameters()):
            if theta_q.requires_grad:
                theta_k.mul_(m).add_(theta_q, alpha=1 - m)
