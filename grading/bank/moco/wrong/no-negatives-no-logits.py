# /// case
# check = "moco/logits"
# about = "takes the most similar negative only, and fails where there is none"
# ///

# %% info_nce_logits
def info_nce_logits(q, k, negatives, T):
    q, k = nn.functional.normalize(q, dim=1), nn.functional.normalize(k, dim=1)
    positive = (q * k).sum(dim=1, keepdim=True)
    hardest = (q @ negatives.T).max(dim=1, keepdim=True).values
    return torch.cat([positive, hardest], dim=1) / T, torch.zeros(len(q), dtype=torch.long)
