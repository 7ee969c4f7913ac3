# /// case
# check = "attention_unet/gate"
# misconception = "sizes-must-match"
# about = "interpolates only if depth differs: fails for g of the same depth and another plane"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    a, b = theta(x), phi(g)
    if b.shape[2] != a.shape[2]:
        b = F.interpolate(b, size=a.shape[2:], mode="trilinear")
    alpha = torch.sigmoid(psi(F.relu(a + b)))
    if alpha.shape[-1] != x.shape[-1]:
        alpha = F.interpolate(alpha, size=x.shape[2:], mode="trilinear")
    return alpha * x, alpha
