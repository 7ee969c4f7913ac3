# /// case
# check = "moco/logits"
# misconception = "current-keys-as-negatives"
# about = "all keys of the batch, the own one again, stand behind the negatives"
# ///

# %% info_nce_logits
def info_nce_logits(q, k, negatives, T):
    q, k = nn.functional.normalize(q, dim=1), nn.functional.normalize(k, dim=1)
    positive = (q * k).sum(dim=1, keepdim=True)
    return torch.cat([positive, q @ negatives.T, q @ k.T], dim=1) / T, torch.zeros(len(q), dtype=torch.long)
