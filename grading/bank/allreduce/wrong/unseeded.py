# /// case
# check = "allreduce/shard"
# misconception = "shuffled-apart"
# about = "an order without a seed"
# ///

# %% shard
def shard(size, rank, world, epoch, seed):
    return torch.randperm(size)[rank::world].tolist()
