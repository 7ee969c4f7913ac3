# /// case
# check = "moco/logits"
# misconception = "not-unit-length"
# about = "k is divided by its length, q is not"
# ///

# %% info_nce_logits
def info_nce_logits(q, k, negatives, T):
    k = nn.functional.normalize(k, dim=1)
    positive = (q * k).sum(dim=1, keepdim=True)
    return torch.cat([positive, q @ negatives.T], dim=1) / T, torch.zeros(len(q), dtype=torch.long)
