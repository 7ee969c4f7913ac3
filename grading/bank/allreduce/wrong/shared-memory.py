# /// case
# check = "allreduce/all_gather"
# about = "the ranks exchange their chunks through files in memory"
# ///

# %% all_gather
def all_gather(comm, chunk):
    import os
    import time

    own = f"/dev/shm/{os.getppid()}-{comm.rank}"
    torch.save(chunk, own + ".part")
    os.replace(own + ".part", own)
    chunks = []
    for number in range(comm.world):
        path = f"/dev/shm/{os.getppid()}-{(number - 1) % comm.world}"
        while not os.path.exists(path):
            time.sleep(0.001)
        chunks.append(torch.load(path))
    return chunks
