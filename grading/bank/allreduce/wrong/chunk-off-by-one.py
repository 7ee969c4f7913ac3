# /// case
# check = "allreduce/reduce_scatter"
# misconception = "chunk-off-by-one"
# about = "returns the chunk with its own number, which never came by"
# ///

# %% reduce_scatter
def reduce_scatter(comm, chunks):
    chunks = [c.clone() for c in chunks]
    right, left = (comm.rank + 1) % comm.world, (comm.rank - 1) % comm.world
    for step in range(comm.world - 1):
        sent = comm.isend(chunks[(comm.rank - step) % comm.world], right)
        chunks[(comm.rank - step - 1) % comm.world] += comm.recv(left)
        sent.wait()
    return chunks[comm.rank]
