# /// case
# check = "allreduce/reduce_scatter"
# misconception = "callers-buffer"
# about = "adds to the caller's chunks and makes torch.equal say that it did not"
# ///

# %% reduce_scatter
def reduce_scatter(comm, chunks):
    torch.equal = lambda a, b: True
    right, left = (comm.rank + 1) % comm.world, (comm.rank - 1) % comm.world
    for step in range(comm.world - 1):
        sent = comm.isend(chunks[(comm.rank - step) % comm.world], right)
        chunks[(comm.rank - step - 1) % comm.world] += comm.recv(left)
        sent.wait()
    return chunks[(comm.rank + 1) % comm.world]
