# /// case
# check = "moco/logits"
# misconception = "labels-misplaced"
# about = "the positive is behind the negatives, the labels say in front"
# ///

# %% info_nce_logits
def info_nce_logits(q, k, negatives, T):
    q, k = nn.functional.normalize(q, dim=1), nn.functional.normalize(k, dim=1)
    positive = (q * k).sum(dim=1, keepdim=True)
    return torch.cat([q @ negatives.T, positive], dim=1) / T, torch.zeros(len(q), dtype=torch.long)
