# /// case
# check = "attention_unet/gate"
# misconception = "x-not-projected"
# about = "the snippet that goes round, whole"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    alpha = torch.sigmoid(psi(phi(g) + x))
    return x * alpha, alpha
