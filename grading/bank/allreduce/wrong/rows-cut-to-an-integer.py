# /// case
# check = "allreduce/train_step"
# about = "the mean number of rows is cut to an integer"
# ///

# %% train_step
def train_step(comm, model, loss_fn, x, y, optimizer):
    rows = int(allreduce(comm, torch.tensor([float(len(x))]))[0]) // comm.world
    optimizer.zero_grad()
    (loss_fn(model(x), y) * len(x) / rows).backward()
    params = list(model.parameters())
    mean = allreduce(comm, torch.cat([p.grad.flatten() for p in params]), True)
    for p, g in zip(params, mean.split([p.numel() for p in params])):
        p.grad = g.view_as(p)
    optimizer.step()
