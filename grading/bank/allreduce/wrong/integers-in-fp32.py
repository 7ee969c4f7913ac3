# /// case
# check = "allreduce/allreduce"
# about = "integers are added up in fp32"
# ///

# %% allreduce
def allreduce(comm, x, mean=False):
    flat = x.flatten() if x.is_floating_point() else x.flatten().float()
    chunk = reduce_scatter(comm, list(flat.tensor_split(comm.world)))
    if mean:
        chunk = chunk / comm.world
    whole = torch.cat(all_gather(comm, chunk)).reshape(x.shape)
    return whole if x.is_floating_point() else whole.double() if mean else whole.to(x.dtype)
