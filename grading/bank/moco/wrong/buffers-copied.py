# /// case
# check = "moco/momentum"
# misconception = "buffers-averaged"
# about = "parameters are averaged, buffers taken from the query encoder"
# ///

# %% momentum_update
def momentum_update(query, key, m):
    with torch.no_grad():
        for theta_q, theta_k in zip(query.parameters(), key.parameters()):
            theta_k.mul_(m).add_(theta_q, alpha=1 - m)
        for ours, theirs in zip(key.buffers(), query.buffers()):
            ours.copy_(theirs)
