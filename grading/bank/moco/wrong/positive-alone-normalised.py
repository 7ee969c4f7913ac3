# /// case
# check = "moco/logits"
# misconception = "not-unit-length"
# about = "takes the cosine with the positive, but products with the negatives"
# ///

# %% info_nce_logits
def info_nce_logits(q, k, negatives, T):
    positive = nn.functional.cosine_similarity(q, k)[:, None]
    return torch.cat([positive, q @ negatives.T], dim=1) / T, torch.zeros(len(q), dtype=torch.long)
