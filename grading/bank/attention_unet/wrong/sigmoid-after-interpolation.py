# /// case
# check = "attention_unet/gate"
# about = "interpolates before the sigmoid"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    a = theta(x)
    b = F.interpolate(phi(g), size=a.shape[2:], mode="trilinear")
    alpha = F.interpolate(psi((a + b).relu()), size=x.shape[2:], mode="trilinear").sigmoid()
    return alpha * x, alpha
