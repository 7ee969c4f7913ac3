# /// case
# check = "allreduce/allreduce"
# misconception = "sum-for-mean"
# about = "ignores `mean`"
# ///

# %% allreduce
def allreduce(comm, x, mean=False):
    chunk = reduce_scatter(comm, list(x.flatten().tensor_split(comm.world)))
    return torch.cat(all_gather(comm, chunk)).reshape(x.shape)
