# /// case
# check = "defects/split"
# about = "at least one block each, where a fifth is none"
# ///

# %% split
def split(n, block, gap, seed):

    blocks = math.ceil(n / block)
    order = np.random.default_rng(seed).permutation(blocks)
    fifth = max(1, blocks // 5)
    owner = np.zeros(blocks, dtype=int)
    owner[order[: fifth]] = 1
    owner[order[fifth : 2 * fifth]] = 2
    cell = np.arange(n)
    own, before = owner[cell // block], owner[np.maximum(cell - gap, 0) // block]
    after = own

    return tuple(torch.from_numpy(cell[(own == k) & (before == k) & (after == k)]) for k in range(3))
