# /// case
# check = "allreduce/shard"
# misconception = "epoch-forgotten"
# about = "shuffles by the seed alone"
# ///

# %% shard
def shard(size, rank, world, epoch, seed):
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed))[rank::world]
