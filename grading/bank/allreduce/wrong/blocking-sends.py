# /// case
# check = "allreduce/reduce_scatter"
# misconception = "blocking-sends"
# about = "sends before it receives, and waits for the send"
# ///

# %% reduce_scatter
def reduce_scatter(comm, chunks):
    chunks = [c.clone() for c in chunks]
    for step in range(comm.world - 1):
        comm.send(chunks[(comm.rank - step) % comm.world], (comm.rank + 1) % comm.world)
        chunks[(comm.rank - step - 1) % comm.world] += comm.recv((comm.rank - 1) % comm.world)
    return chunks[(comm.rank + 1) % comm.world]
