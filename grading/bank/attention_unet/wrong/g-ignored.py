# /// case
# check = "attention_unet/gate"
# about = "looks at x alone"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    alpha = F.interpolate(psi(theta(x).relu()).sigmoid(), size=x.shape[2:], mode="trilinear")
    return alpha * x, alpha
