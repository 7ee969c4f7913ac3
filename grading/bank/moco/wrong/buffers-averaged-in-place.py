# /// case
# check = "moco/momentum"
# misconception = "buffers-averaged"
# about = "multiplies each entry of the state_dict in place, which whole numbers refuse"
# ///

# %% momentum_update
def momentum_update(query, key, m):
    with torch.no_grad():
        for ours, theirs in zip(key.state_dict().values(), query.state_dict().values()):
            ours.mul_(m).add_(theirs, alpha=1 - m)
