# /// case
# check = "attention_unet/gate"
# misconception = "sizes-must-match"
# about = "α is interpolated, φ(g) is not"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    alpha = F.interpolate(psi((theta(x) + phi(g)).relu()).sigmoid(), size=x.shape[2:], mode="trilinear")
    return alpha * x, alpha
