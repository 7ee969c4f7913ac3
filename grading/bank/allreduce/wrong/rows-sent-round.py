# /// case
# check = "allreduce/train_step"
# about = "all rows are gathered on every rank, no gradient is sent"
# ///

# %% train_step
def gathered(comm, a):
    counts = allreduce(comm, torch.eye(comm.world)[comm.rank] * len(a)).long().tolist()
    everything = torch.zeros(sum(counts), *a.shape[1:], dtype=a.dtype)
    start = sum(counts[: comm.rank])
    everything[start : start + len(a)] = a
    return allreduce(comm, everything)


def train_step(comm, model, loss_fn, x, y, optimizer):
    x, y = gathered(comm, x), gathered(comm, y)
    optimizer.zero_grad()
    loss_fn(model(x), y).backward()
    optimizer.step()
