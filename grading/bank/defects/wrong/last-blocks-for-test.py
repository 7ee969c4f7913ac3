# /// case
# check = "defects/split"
# about = "the first blocks for training, the last for the test"
# ///

# %% split
def split(n, block, gap, seed):
    blocks = math.ceil(n / block)
    order = np.random.default_rng(seed).permutation(blocks)
    order = np.arange(blocks)[::-1]
    owner = np.zeros(blocks, dtype=int)
    owner[order[: blocks // 5]] = 1
    owner[order[blocks // 5 : 2 * (blocks // 5)]] = 2
    cell = np.arange(n)
    own, before = owner[cell // block], owner[np.maximum(cell - gap, 0) // block]
    return tuple(torch.from_numpy(cell[(own == k) & (before == k)]) for k in range(3))
