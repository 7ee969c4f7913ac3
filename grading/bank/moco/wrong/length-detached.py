# /// case
# check = "moco/logits"
# about = "the length of q is taken for a constant"
# ///

# %% info_nce_logits
def info_nce_logits(q, k, negatives, T):
    q = q / q.norm(dim=1, keepdim=True).detach()
    k = nn.functional.normalize(k, dim=1)
    positive = (q * k).sum(dim=1, keepdim=True)
    return torch.cat([positive, q @ negatives.T], dim=1) / T, torch.zeros(len(q), dtype=torch.long)
