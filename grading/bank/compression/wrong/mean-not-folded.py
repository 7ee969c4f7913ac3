# /// case
# check = "compression/fold"
# misconception = "mean-not-folded"
# about = "the old bias is not rescaled"
# ///

# %% fold
def fold(weight, bias, mean, var, gamma, beta, eps):
    b = torch.zeros_like(mean) if bias is None else bias
    factor = gamma / torch.sqrt(var + eps)
    return weight * factor.view(-1, *[1] * (weight.dim() - 1)), beta + b - mean * factor
