# /// case
# check = "allreduce/train_step"
# misconception = "stale-gradients"
# about = "nothing clears the gradients of the step before"
# ///

# %% train_step
def train_step(comm, model, loss_fn, x, y, optimizer):
    loss_fn(model(x), y).backward()
    grads = [p.grad for p in model.parameters()]
    total = allreduce(comm, torch.cat([g.flatten() for g in grads] + [torch.ones(1)]) * len(x))
    for g, part in zip(grads, (total[:-1] / total[-1]).split([g.numel() for g in grads])):
        g.copy_(part.view(g.shape))
    optimizer.step()
