# /// case
# check = "moco/momentum"
# misconception = "buffers-averaged"
# about = "averages whatever is in the state_dict"
# ///

# %% momentum_update
def momentum_update(query, key, m):
    with torch.no_grad():
        theirs = query.state_dict()
        for name, ours in key.state_dict().items():
            ours.copy_(m * ours + (1 - m) * theirs[name])
