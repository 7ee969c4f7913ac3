# /// case
# check = "attention_unet/gate"
# about = "weights that sum to 1 over the volume"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    a = theta(x)
    b = F.interpolate(phi(g), size=a.shape[2:], mode="trilinear")
    q = psi((a + b).relu())
    alpha = F.interpolate(q.flatten(2).softmax(2).view_as(q), size=x.shape[2:], mode="trilinear")
    return alpha * x, alpha
