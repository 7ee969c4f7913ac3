# /// case
# check = "defects/split"
# about = "leaves out the gap on both sides of a border, twice what is asked for"
# ///

# %% split
def split(n, block, gap, seed):

    blocks = math.ceil(n / block)
    order = np.random.default_rng(seed).permutation(blocks)
    fifth = blocks // 5
    owner = np.zeros(blocks, dtype=int)
    owner[order[: fifth]] = 1
    owner[order[fifth : 2 * fifth]] = 2
    cell = np.arange(n)
    own, before = owner[cell // block], owner[np.maximum(cell - gap, 0) // block]
    after = own
    after = owner[np.minimum(cell + gap, n - 1) // block]
    return tuple(torch.from_numpy(cell[(own == k) & (before == k) & (after == k)]) for k in range(3))
