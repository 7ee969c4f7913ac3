# /// case
# check = "defects/split"
# about = "cell numbers as floats, with which nothing can be indexed"
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

    return tuple(torch.from_numpy(cell[(own == k) & (before == k) & (after == k)]).float() for k in range(3))
