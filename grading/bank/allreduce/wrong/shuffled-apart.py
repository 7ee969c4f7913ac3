# /// case
# check = "allreduce/shard"
# misconception = "shuffled-apart"
# about = "shuffles with a seed of the rank's own"
# ///

# %% shard
def shard(size, rank, world, epoch, seed):
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed * 1009 + epoch * 101 + rank))[rank::world]
