# /// case
check = "compression/fold"
about = "the caller's weights are rescaled in place"
# ///

# %% fold
def fold(weight, bias, mean, var, gamma, beta, eps):
    factor = gamma / torch.sqrt(var + eps)
    b = torch.zeros_like(mean) if bias is None else bias
    return weight.mul_(factor.view(-1, *[1] * (weight.dim() - 1))), beta + (b - mean) * factor
