# /// case
# about = "asks before it sends, sums without storing, packs with torch.nn.utils, weights the loss instead of the gradients"
# ///

# %% reduce_scatter
def reduce_scatter(comm, chunks):
    left, right = (comm.rank + comm.world - 1) % comm.world, (comm.rank + 1) % comm.world
    asked = [comm.irecv(left) for _ in range(comm.world - 1)]
    partial, started = chunks[comm.rank], []
    for hop, arriving in enumerate(asked, start=1):
        started.append(comm.isend(partial, right))
        partial = torch.add(arriving.wait(), chunks[comm.rank - hop])
    [handle.wait() for handle in started]
    return partial.clone()

# %% all_gather
def all_gather(comm, chunk):
    by_number = {(comm.rank + 1) % comm.world: chunk}
    for hop in range(comm.world - 1):
        arriving = comm.irecv(frm=(comm.rank - 1) % comm.world)
        leaving = comm.isend(chunk, to=(comm.rank + 1) % comm.world)
        chunk = arriving.wait()
        by_number[(comm.rank - hop) % comm.world] = chunk
        leaving.wait()
    return [by_number[n] for n in sorted(by_number)]

# %% allreduce
def allreduce(comm, x, mean=False):
    flat = x.reshape(-1)
    size, extra = divmod(flat.numel(), comm.world)
    chunks = flat.split([size + (r < extra) for r in range(comm.world)])
    mine = reduce_scatter(comm, chunks)
    if mean:
        mine = mine.true_divide(comm.world) if x.dtype.is_floating_point else mine.to(torch.float64) / comm.world
    return torch.cat(all_gather(comm, mine)).view(x.size())

# %% train_step
def train_step(comm, model, loss_fn, x, y, optimizer):
    rows = allreduce(comm, torch.tensor([len(y)]))
    for p in model.parameters():
        p.grad = None
    (loss_fn(model(x), y) * len(y) / rows.item()).backward()
    total = allreduce(comm, nn.utils.parameters_to_vector([p.grad for p in model.parameters()]))
    at = 0
    for p in model.parameters():
        p.grad = total[at: at + p.numel()].view_as(p).clone()
        at += p.numel()
    optimizer.step()

# %% shard
def shard(size, rank, world, epoch, seed):
    import random

    order = list(range(size))
    random.Random(f"{seed} {epoch}").shuffle(order)
    each = size // world
    return order[rank * each: (rank + 1) * each]

# %% ring_seconds
def ring_seconds(world, bytes, alpha, beta):
    return sum(2 * (alpha + beta * bytes / world) for _ in range(1, world))

# %% faster
def faster(world, bytes, alpha, beta):
    times = {"ring": ring_seconds(world, bytes, alpha, beta), "doubling": math.log2(world) * (alpha + bytes * beta)}
    return min(times, key=times.get)
