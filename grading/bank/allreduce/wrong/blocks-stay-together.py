# /// case
# check = "allreduce/shard"
# about = "fixed blocks are dealt out anew in each epoch"
# ///

# %% shard
def shard(size, rank, world, epoch, seed):
    generator = torch.Generator().manual_seed(seed * 1000 + epoch)
    block = torch.randperm(world, generator=generator)[rank].item()
    n = size // world
    return torch.arange(block * n, block * n + n)[torch.randperm(n, generator=generator)]
