# /// case
# check = "moco/momentum"
# misconception = "m-swapped"
# about = "the key encoder keeps 1 - m of itself"
# ///

# %% momentum_update
def momentum_update(query, key, m):
    with torch.no_grad():
        for theta_q, theta_k in zip(query.parameters(), key.parameters()):
            theta_k.copy_((1 - m) * theta_k + m * theta_q)
