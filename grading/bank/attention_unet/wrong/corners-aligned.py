# /// case
# check = "attention_unet/gate"
# about = "align_corners=True"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    a = theta(x)
    b = F.interpolate(phi(g), size=a.shape[2:], mode="trilinear", align_corners=True)
    alpha = F.interpolate(psi((a + b).relu()).sigmoid(), size=x.shape[2:], mode="trilinear", align_corners=True)
    return alpha * x, alpha
