# /// case
# check = "attention_unet/gate"
# about = "α is 1"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    alpha = torch.ones_like(x[:, :1])
    return x, alpha
