# /// case
# check = "allreduce/train_step"
# misconception = "parameters-averaged"
# about = "steps each rank on its own gradient and averages the weights"
# ///

# %% train_step
def train_step(comm, model, loss_fn, x, y, optimizer):
    optimizer.zero_grad()
    loss_fn(model(x), y).backward()
    optimizer.step()
    with torch.no_grad():
        flat = torch.cat([p.flatten() for p in model.parameters()] + [torch.ones(1)])
        total = allreduce(comm, flat * len(x))
        for p, part in zip(model.parameters(), (total[:-1] / total[-1]).split([p.numel() for p in model.parameters()])):
            p.copy_(part.view(p.shape))
