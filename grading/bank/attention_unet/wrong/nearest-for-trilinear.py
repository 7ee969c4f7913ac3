# /// case
# check = "attention_unet/gate"
# about = "nearest neighbours"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    a = theta(x)
    b = F.interpolate(phi(g), size=a.shape[2:], mode="nearest")
    alpha = F.interpolate(psi((a + b).relu()).sigmoid(), size=x.shape[2:], mode="nearest")
    return alpha * x, alpha
