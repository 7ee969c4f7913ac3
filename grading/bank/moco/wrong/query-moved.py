# /// case
# check = "moco/momentum"
# about = "moves the query encoder towards the key encoder"
# ///

# %% momentum_update
def momentum_update(query, key, m):
    with torch.no_grad():
        for theta_q, theta_k in zip(query.parameters(), key.parameters()):
            theta_q.mul_(m).add_(theta_k, alpha=1 - m)
