# /// case
# check = "attention_unet/gate"
# misconception = "x-not-projected"
# about = "φ(g) brought to x's size, x as it is, with ReLU"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    b = F.interpolate(phi(g), size=x.shape[2:], mode="trilinear")
    alpha = psi((x + b).relu()).sigmoid()
    return alpha * x, alpha
