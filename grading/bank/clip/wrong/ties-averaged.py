# /// case
# check = "clip/recall"
# misconception = "ties-averaged"
# about = "the fraction that chance would give"
# ///

# %% hits
def hits(similarity, relevant, k):
    best = similarity.masked_fill(~relevant, -math.inf).amax(1, keepdim=True)
    tied = similarity == best
    room = (k - (similarity > best).sum(1)).tolist()
    wrong, ties = (tied & ~relevant).sum(1).tolist(), tied.sum(1).tolist()
    rooms = [min(max(r, 0), t) for r, t in zip(room, ties)]
    return torch.tensor([1 - math.comb(w, r) / math.comb(t, r) for w, r, t in zip(wrong, rooms, ties)])
