# /// case
# check = "attention_unet/gate"
# about = "gradients go to copies: θ, φ and ψ never learn"
# ///

# %% gate
def gate(x, g, theta, phi, psi):
    import copy
    theta, phi, psi = map(copy.deepcopy, (theta, phi, psi))
    a = theta(x)
    b = F.interpolate(phi(g), size=a.shape[2:], mode="trilinear")
    alpha = F.interpolate(torch.sigmoid(psi(F.relu(a + b))), size=x.shape[2:], mode="trilinear")
    return alpha * x, alpha
