# /// case
# check = "attention_unet/gate"
# about = "changes x"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    a = theta(x)
    b = F.interpolate(phi(g), size=a.shape[2:], mode="trilinear")
    alpha = F.interpolate(psi((a + b).relu()).sigmoid(), size=x.shape[2:], mode="trilinear")
    x.data.mul_(alpha.data)
    return x, alpha
