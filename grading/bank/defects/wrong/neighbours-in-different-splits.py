# /// case
# check = "defects/split"
# misconception = "neighbours-in-different-splits"
# about = "cells are dealt one by one"
# ///

# %% split
def split(n, block, gap, seed):
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return order[2 * (n // 5) :], order[: n // 5], order[n // 5 : 2 * (n // 5)]
