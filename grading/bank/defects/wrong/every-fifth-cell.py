# /// case
# check = "defects/split"
# misconception = "neighbours-in-different-splits"
# about = "each fifth cell to the test, the one before it to validation"
# ///

# %% split
def split(n, block, gap, seed):
    cell = (torch.arange(n) + seed) % 5
    return tuple(torch.isin(cell, torch.tensor(k)).nonzero()[:, 0] for k in ([0, 1, 2], [3], [4]))
