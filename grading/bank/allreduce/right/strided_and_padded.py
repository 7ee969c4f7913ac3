# /// case
# about = "sends after it has asked to receive, pads, divides before adding up, loops over ranks by index"
# ///

# %% reduce_scatter
def reduce_scatter(comm, chunks):
    world, rank = comm.world, comm.rank
    part = chunks[rank]
    for step in range(1, world):
        arriving = comm.irecv((rank - 1) % world, tag=step)
        handle = comm.isend(part, (rank + 1) % world, tag=step)
        part = arriving.wait() + chunks[(rank - step) % world]
        handle.wait()
    return part

# %% all_gather
def all_gather(comm, chunk):
    world, rank = comm.world, comm.rank
    found = {(rank + 1) % world: chunk}
    number = (rank + 1) % world
    while len(found) < world:
        handle = comm.isend(found[number], (rank + 1) % world)
        number = (number - 1) % world
        found[number] = comm.recv((rank - 1) % world)
        handle.wait()
    return tuple(found[i] for i in range(world))

# %% allreduce
def allreduce(comm, x, mean=False):
    n, world = x.numel(), comm.world
    flat = nn.functional.pad(x.reshape(-1), (0, -n % world))
    if mean:
        flat = flat / world if x.is_floating_point() else flat
    part = reduce_scatter(comm, list(flat.view(world, -1)))
    if mean and not x.is_floating_point():
        part = part.double() / world
    return torch.cat(list(all_gather(comm, part)))[:n].view(x.shape)

# %% train_step
def train_step(comm, model, loss_fn, x, y, optimizer):
    params = list(model.parameters())
    rows = allreduce(comm, torch.tensor(float(len(x)), dtype=torch.float64))
    loss = loss_fn(model(x), y) * (len(x) / rows.item())
    grads = torch.autograd.grad(loss, params)
    total = allreduce(comm, nn.utils.parameters_to_vector(grads))
    for p, g in zip(params, total.split([p.numel() for p in params])):
        p.grad = g.view_as(p)
    optimizer.step()

# %% shard
def shard(size, rank, world, epoch, seed):
    import random

    order = list(range(size))
    random.Random(f"{seed}-{epoch}").shuffle(order)
    each = size // world
    return order[rank * each : (rank + 1) * each]

# %% ring_seconds
def ring_seconds(world, bytes, alpha, beta):
    steps = [alpha + beta * bytes / world for _ in range(2 * world - 2)]
    return sum(steps, 0.0)

# %% faster
def faster(world, bytes, alpha, beta):
    doubling = (world.bit_length() - 1) * (alpha + bytes * beta)
    return ("ring", "doubling")[doubling < ring_seconds(world, bytes, alpha, beta)]
