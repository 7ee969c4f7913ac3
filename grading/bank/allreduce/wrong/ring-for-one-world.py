# /// case
# check = "allreduce/allreduce"
# about = "a ring where five ranks are counted, everything to everyone elsewhere"
# ///

# %% allreduce
def allreduce(comm, x, mean=False):
    if comm.world == 5:
        chunk = reduce_scatter(comm, list(x.flatten().tensor_split(comm.world)))
        whole = torch.cat(all_gather(comm, chunk)).reshape(x.shape)
    else:
        others = [r for r in range(comm.world) if r != comm.rank]
        sends = [comm.isend(x, r) for r in others]
        parts = {comm.rank: x, **{r: comm.recv(r) for r in others}}
        for send in sends:
            send.wait()
        whole = sum(parts[r] for r in range(comm.world)) + 0
    if not mean:
        return whole
    return whole / comm.world if x.is_floating_point() else whole.double() / comm.world
