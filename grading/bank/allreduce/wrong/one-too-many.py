# /// case
# check = "allreduce/shard"
# about = "row numbers from 1 to size"
# ///

# %% shard
def shard(size, rank, world, epoch, seed):
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed * 100003 + epoch))[rank::world] + 1
