# /// case
# check = "moco/logits"
# about = "only the positive is divided by T"
# ///

# %% info_nce_logits
def info_nce_logits(q, k, negatives, T):
    q, k = nn.functional.normalize(q, dim=1), nn.functional.normalize(k, dim=1)
    positive = (q * k).sum(dim=1, keepdim=True)
    return torch.cat([positive / T, q @ negatives.T], dim=1), torch.zeros(len(q), dtype=torch.long)
