# /// case
# check = "compression/fold"
# misconception = "norm-not-folded"
# about = "only the bias is folded"
# ///

# %% fold
def fold(weight, bias, mean, var, gamma, beta, eps):
    b = torch.zeros_like(mean) if bias is None else bias
    factor = gamma / torch.sqrt(var + eps)
    return weight, beta + (b - mean) * factor
