# /// case
# check = "defects/interval"
# about = "a block is one run of cells: of a block in two pieces the last counts"
# ///

# %% resampled
def resampled(alarm, defective, block, drawn):
    from itertools import groupby
    B = int(max(drawn.max(), block.max())) + 1
    hits, bad, i = torch.zeros(B).double(), torch.zeros(B).double(), 0
    for b, run in groupby(block.tolist()):
        n = len(list(run))
        d = defective[i : i + n]
        hits[b], bad[b] = (alarm[i : i + n] & d).sum(), d.sum()
        i += n
    return hits[drawn].sum(1) / bad[drawn].sum(1)
