# /// case
# check = "defects/split"
# misconception = "gap-missing"
# about = "whole blocks, side by side"
# ///

# %% split
def split(n, block, gap, seed):
    blocks = math.ceil(n / block)
    order = np.random.default_rng(seed).permutation(blocks)
    owner = np.zeros(blocks, dtype=int)
    owner[order[: blocks // 5]] = 1
    owner[order[blocks // 5 : 2 * (blocks // 5)]] = 2
    cell = np.arange(n)
    own, before = owner[cell // block], owner[np.maximum(cell - 0, 0) // block]
    return tuple(torch.from_numpy(cell[(own == k) & (before == k)]) for k in range(3))
