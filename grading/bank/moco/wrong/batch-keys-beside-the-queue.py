# /// case
# check = "moco/logits"
# misconception = "current-keys-as-negatives"
# about = "the other keys of the batch are negatives too"
# ///

# %% info_nce_logits
def info_nce_logits(q, k, negatives, T):
    q, k = nn.functional.normalize(q, dim=1), nn.functional.normalize(k, dim=1)
    return torch.cat([q @ k.T, q @ negatives.T], dim=1) / T, torch.arange(len(q))
