# /// case
# check = "allreduce/allreduce"
# misconception = "integer-mean"
# about = "divides integers by integers"
# ///

# %% allreduce
def allreduce(comm, x, mean=False):
    chunk = reduce_scatter(comm, list(x.flatten().tensor_split(comm.world)))
    if mean:
        chunk = chunk / comm.world if x.is_floating_point() else chunk // comm.world
    return torch.cat(all_gather(comm, chunk)).reshape(x.shape)
