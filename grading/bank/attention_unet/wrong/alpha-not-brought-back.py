# /// case
# check = "attention_unet/gate"
# misconception = "sizes-must-match"
# about = "φ(g) is interpolated, α is not"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    a = theta(x)
    b = F.interpolate(phi(g), size=a.shape[2:], mode="trilinear")
    alpha = psi((a + b).relu()).sigmoid()
    return alpha * x, alpha
