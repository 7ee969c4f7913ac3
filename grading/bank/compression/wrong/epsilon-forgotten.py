# /// case
# check = "compression/fold"
# misconception = "epsilon-forgotten"
# about = "divided by the root of the variance alone"
# ///

# %% fold
def fold(weight, bias, mean, var, gamma, beta, eps):
    b = torch.zeros_like(mean) if bias is None else bias
    factor = gamma / var.sqrt()
    return weight * factor.view(-1, *[1] * (weight.dim() - 1)), beta + (b - mean) * factor
