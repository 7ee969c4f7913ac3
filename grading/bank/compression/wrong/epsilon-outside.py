# /// case
check = "compression/fold"
about = "ε is added to the root"
# ///

# %% fold
def fold(weight, bias, mean, var, gamma, beta, eps):
    factor = gamma / (torch.sqrt(var) + eps)
    b = torch.zeros_like(mean) if bias is None else bias
    return weight * factor.view(-1, *[1] * (weight.dim() - 1)), beta + (b - mean) * factor
