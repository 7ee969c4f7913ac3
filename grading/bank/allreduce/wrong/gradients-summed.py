# /// case
# check = "allreduce/train_step"
# misconception = "gradients-summed"
# about = "sums the ranks' gradients"
# ///

# %% train_step
def train_step(comm, model, loss_fn, x, y, optimizer):
    optimizer.zero_grad()
    loss_fn(model(x), y).backward()
    grads = [p.grad for p in model.parameters()]
    mean = allreduce(comm, torch.cat([g.flatten() for g in grads]))
    for g, part in zip(grads, mean.split([g.numel() for g in grads])):
        g.copy_(part.view(g.shape))
    optimizer.step()
