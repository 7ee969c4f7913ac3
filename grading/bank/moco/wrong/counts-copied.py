# /// case
# check = "moco/momentum"
# misconception = "buffers-averaged"
# about = "takes over what is a whole number, and leaves the other buffers alone"
# ///

# %% momentum_update
def momentum_update(query, key, m):
    theirs = query.state_dict()
    with torch.no_grad():
        for name, theta_k in key.named_parameters():
            theta_k.copy_(m * theta_k + (1 - m) * theirs[name])
        for name, buffer in key.named_buffers():
            if not buffer.is_floating_point():
                buffer.copy_(theirs[name])
