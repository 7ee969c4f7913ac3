# /// case
# check = "moco/logits"
# misconception = "not-unit-length"
# about = "takes the product with the positive, but cosines with the negatives"
# ///

# %% info_nce_logits
def info_nce_logits(q, k, negatives, T):
    positive = (q * k).sum(dim=1, keepdim=True)
    negative = nn.functional.normalize(q, dim=1) @ negatives.T
    return torch.cat([positive, negative], dim=1) / T, torch.zeros(len(q), dtype=torch.long)
