# /// case
# check = "defects/split"
# about = "only the last half of the blocks is dealt"
# ///

# %% split
def split(n, block, gap, seed):
    blocks = math.ceil(n / block)
    order = blocks - 1 - np.random.default_rng(seed).permutation(2 * (blocks // 5) + 1)
    owner = np.zeros(blocks, dtype=int)
    owner[order[: blocks // 5]] = 1
    owner[order[blocks // 5 : 2 * (blocks // 5)]] = 2
    cell = np.arange(n)
    own, before = owner[cell // block], owner[np.maximum(cell - gap, 0) // block]
    return tuple(torch.from_numpy(cell[(own == k) & (before == k)]) for k in range(3))
