# /// case
# about = "shards as lists of numpy numbers and of 0-d tensors, chunks handed round as arrays, the ring turned into a recursion"
# ///

# %% shard
def shard(size, rank, world, epoch, seed):
    order = np.random.RandomState(seed * 7919 + epoch).permutation(size)
    own = order[rank * (size // world) : (rank + 1) * (size // world)]
    return [torch.tensor(i) for i in own] if rank % 2 else [*own]

# %% reduce_scatter
import numpy as np


def reduce_scatter(comm, chunks):
    def after(step):
        """The sum so far of the chunk that this rank holds after `step` steps."""
        if step == 0:
            return chunks[comm.rank].numpy().copy()
        sent = comm.isend(after(step - 1), (comm.rank + 1) % comm.world)
        total = chunks[(comm.rank - step) % comm.world].numpy() + comm.recv((comm.rank - 1) % comm.world)
        sent.wait()
        return total

    return torch.from_numpy(after(comm.world - 1))

# %% faster
def faster(world, bytes, alpha, beta):
    steps = world.bit_length() - 1
    latency, transfer = alpha * (2 * (world - 1) - steps), bytes * beta * (steps - 2 * (world - 1) / world)
    return ("doubling", "ring")[latency < transfer]
