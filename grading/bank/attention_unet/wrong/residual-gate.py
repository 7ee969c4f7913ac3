# /// case
# check = "attention_unet/gate"
# about = "x + α · x"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    a = theta(x)
    b = F.interpolate(phi(g), size=a.shape[2:], mode="trilinear")
    alpha = F.interpolate(psi((a + b).relu()).sigmoid(), size=x.shape[2:], mode="trilinear")
    return x + alpha * x, alpha
