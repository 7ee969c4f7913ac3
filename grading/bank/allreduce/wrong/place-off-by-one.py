# /// case
# check = "allreduce/all_gather"
# misconception = "place-off-by-one"
# about = "numbers what arrives as reduce-scatter does"
# ///

# %% all_gather
def all_gather(comm, chunk):
    chunks = [None] * comm.world
    chunks[comm.rank] = chunk
    for step in range(comm.world - 1):
        sent = comm.isend(chunks[(comm.rank - step) % comm.world], (comm.rank + 1) % comm.world)
        chunks[(comm.rank - step - 1) % comm.world] = comm.recv((comm.rank - 1) % comm.world)
        sent.wait()
    return chunks
