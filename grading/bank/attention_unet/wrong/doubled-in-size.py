# /// case
# check = "attention_unet/gate"
# misconception = "sizes-must-match"
# about = "a factor of two, whatever the sizes"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    alpha = psi((theta(x) + phi(g)).relu()).sigmoid()
    if alpha.shape[2:] != x.shape[2:]:
        alpha = F.interpolate(alpha, scale_factor=2, mode="trilinear")
    return alpha * x, alpha
