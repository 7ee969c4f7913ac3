# /// case
# check = "allreduce/shard"
# about = "an order without a seed, remembered in a global"
# ///

# %% shard
ORDER = {}


def shard(size, rank, world, epoch, seed):
    if (epoch, seed) not in ORDER:
        ORDER[epoch, seed] = torch.randperm(size)
    return ORDER[epoch, seed][rank::world]
