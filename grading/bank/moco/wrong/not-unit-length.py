# /// case
# check = "moco/logits"
# misconception = "not-unit-length"
# about = "q and k as they came"
# ///

# %% info_nce_logits
def info_nce_logits(q, k, negatives, T):
    positive = (q * k).sum(dim=1, keepdim=True)
    return torch.cat([positive, q @ negatives.T], dim=1) / T, torch.zeros(len(q), dtype=torch.long)
