# /// case
# check = "attention_unet/gate"
# misconception = "sizes-must-match"
# about = "no interpolation"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    alpha = psi((theta(x) + phi(g)).relu()).sigmoid()
    return alpha * x, alpha
