# /// case
# check = "attention_unet/gate"
# about = "a leaky one"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    a = theta(x)
    b = F.interpolate(phi(g), size=a.shape[2:], mode="trilinear")
    alpha = F.interpolate(psi(F.leaky_relu(a + b, 0.2)).sigmoid(), size=x.shape[2:], mode="trilinear")
    return alpha * x, alpha
