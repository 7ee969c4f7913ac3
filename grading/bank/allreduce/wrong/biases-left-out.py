# /// case
# check = "allreduce/train_step"
# about = "only weights are exchanged, biases are not"
# ///

# %% train_step
def train_step(comm, model, loss_fn, x, y, optimizer):
    n = allreduce(comm, torch.tensor([float(len(x))]))
    optimizer.zero_grad()
    loss_fn(model(x), y).backward()
    params = [p for p in model.parameters() if p.dim() == 2]
    mean = allreduce(comm, torch.cat([p.grad.flatten() for p in params]) * len(x)) / n
    for p, g in zip(params, mean.split([p.numel() for p in params])):
        p.grad = g.view_as(p)
    optimizer.step()
