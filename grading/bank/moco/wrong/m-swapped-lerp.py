# /// case
# check = "moco/momentum"
# misconception = "m-swapped"
# about = "torch.lerp with m as its weight"
# ///

# %% momentum_update
def momentum_update(query, key, m):
    with torch.no_grad():
        for theta_q, theta_k in zip(query.parameters(), key.parameters()):
            theta_k.lerp_(theta_q, m)
