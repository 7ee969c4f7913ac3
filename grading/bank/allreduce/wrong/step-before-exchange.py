# /// case
# check = "allreduce/train_step"
# misconception = "own-step"
# about = "the optimizer steps before the gradients are exchanged"
# ///

# %% train_step
def train_step(comm, model, loss_fn, x, y, optimizer):
    optimizer.zero_grad()
    loss_fn(model(x), y).backward()
    optimizer.step()
    grads = [p.grad for p in model.parameters()]
    total = allreduce(comm, torch.cat([g.flatten() for g in grads] + [torch.ones(1)]) * len(x))
    for g, part in zip(grads, (total[:-1] / total[-1]).split([g.numel() for g in grads])):
        g.copy_(part.view(g.shape))
    model.zero_grad()
