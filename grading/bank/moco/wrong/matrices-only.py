# /// case
# check = "moco/momentum"
# about = "leaves biases and single numbers alone"
# ///

# %% momentum_update
def momentum_update(query, key, m):
    with torch.no_grad():
        for theta_q, theta_k in zip(query.parameters(), key.parameters()):
            if theta_k.dim() > 1:
                theta_k.mul_(m).add_(theta_q, alpha=1 - m)
