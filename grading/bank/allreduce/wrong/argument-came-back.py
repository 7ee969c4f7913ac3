# /// case
# check = "allreduce/allreduce"
# misconception = "callers-buffer"
# about = "one rank alone gets its own tensor back"
# ///

# %% allreduce
def allreduce(comm, x, mean=False):
    chunk = reduce_scatter(comm, list(x.flatten().tensor_split(comm.world)))
    if mean:
        chunk = chunk.double() / comm.world if not x.is_floating_point() else chunk / comm.world
    whole = torch.cat(all_gather(comm, chunk)).reshape(x.shape)
    return x.copy_(whole) if whole.dtype == x.dtype else whole
