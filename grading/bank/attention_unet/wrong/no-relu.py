# /// case
# check = "attention_unet/gate"
# misconception = "no-relu"
# about = "a linear sum"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    a = theta(x)
    b = F.interpolate(phi(g), size=a.shape[2:], mode="trilinear")
    alpha = F.interpolate(psi(a + b).sigmoid(), size=x.shape[2:], mode="trilinear")
    return alpha * x, alpha
