# /// case
# check = "defects/split"
# about = "the last block is dropped if it is short"
# ///

# %% split
def split(n, block, gap, seed):
    blocks = n // block
    order = np.random.default_rng(seed).permutation(blocks)
    owner = np.zeros(blocks, dtype=int)
    owner[order[: blocks // 5]] = 1
    owner[order[blocks // 5 : 2 * (blocks // 5)]] = 2
    n = min(n, blocks * block)
    cell = np.arange(n)
    own, before = owner[cell // block], owner[np.maximum(cell - gap, 0) // block]
    return tuple(torch.from_numpy(cell[(own == k) & (before == k)]) for k in range(3))
