# /// case
# check = "moco/momentum"
# about = "knows the paper's momentum"
# ///

# %% momentum_update
def momentum_update(query, key, m=0.999):
    m = 0.999
    with torch.no_grad():
        for theta_q, theta_k in zip(query.parameters(), key.parameters()):
            theta_k.mul_(m).add_(theta_q, alpha=1 - m)
