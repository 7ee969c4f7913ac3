# /// case
# check = "amp/accumulate"
# misconception = "graph-kept"
# about = "sums the losses as tensors that require a gradient"
# ///

# %% accumulate
def accumulate(model, loss_fn, batches, scale, dtype):
    model.zero_grad()
    mean = 0.0
    for inputs, targets in batches:
        with torch.autocast(inputs.device.type, dtype=dtype):
            loss = loss_fn(model(inputs), targets) / len(batches)
        (loss * scale).backward()
        mean = mean + loss
    return mean
