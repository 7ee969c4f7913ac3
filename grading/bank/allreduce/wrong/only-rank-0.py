# /// case
# check = "allreduce/allreduce"
# misconception = "only-rank-0"
# about = "collects on rank 0 and sends nothing back"
# ///

# %% allreduce
def allreduce(comm, x, mean=False):
    if comm.rank:
        comm.send(x, 0)
        return x.double() if mean and not x.is_floating_point() else x.clone()
    total = x.clone()
    for r in range(1, comm.world):
        total += comm.recv(r)
    if mean:
        total = total.double() / comm.world if not x.is_floating_point() else total / comm.world
    return total
