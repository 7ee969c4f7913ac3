# /// case
# check = "allreduce/allreduce"
# misconception = "callers-buffer"
# about = "sums in the caller's tensor and returns a divided copy, as the tutorial's snippet does"
# ///

# %% allreduce
def allreduce(comm, x, mean=False):
    total = torch.cat(all_gather(comm, reduce_scatter(comm, list(x.flatten().tensor_split(comm.world))))).reshape(x.shape)
    x.copy_(total)
    return (x.double() if not x.is_floating_point() else x) / comm.world if mean else x
