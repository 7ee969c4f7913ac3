# /// case
# check = "allreduce/allreduce"
# misconception = "rest-dropped"
# about = "cuts the tensor into chunks of size // world and leaves what is over"
# ///

# %% allreduce
def allreduce(comm, x, mean=False):
    flat = x.flatten().clone()
    each = len(flat) // comm.world
    chunks = [flat[r * each:(r + 1) * each] for r in range(comm.world)]
    chunk = reduce_scatter(comm, chunks)
    if mean:
        chunk = chunk.double() / comm.world if not x.is_floating_point() else chunk / comm.world
    flat = flat.to(chunk.dtype)
    flat[: each * comm.world] = torch.cat(all_gather(comm, chunk))
    return flat.reshape(x.shape)
