# /// case
check = "compression/fold"
misconception = "mean-not-folded"
about = "a convolution's bias is thought to be absent"
# ///

# %% fold
def fold(weight, bias, mean, var, gamma, beta, eps):
    factor = gamma / torch.sqrt(var + eps)
    b = torch.zeros_like(mean) if weight.dim() == 4 else bias
    return weight * factor.view(-1, *[1] * (weight.dim() - 1)), beta + (b - mean) * factor
