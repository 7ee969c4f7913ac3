# /// case
# check = "allreduce/train_step"
# misconception = "own-step"
# about = "the mean is computed and never written back"
# ///

# %% train_step
def train_step(comm, model, loss_fn, x, y, optimizer):
    optimizer.zero_grad()
    loss_fn(model(x), y).backward()
    grads = [p.grad for p in model.parameters()]
    flat = torch.cat([g.flatten() for g in grads] + [torch.ones(1)])
    total = allreduce(comm, flat * len(x))
    mean = total[:-1] / total[-1]
    for g, part in zip(grads, mean.split([g.numel() for g in grads])):
        g = part.view(g.shape)
    optimizer.step()
