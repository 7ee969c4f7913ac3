# /// case
# check = "amp/accumulate"
# misconception = "stale-gradients"
# about = "does not clear the gradients of the step before"
# ///

# %% accumulate
def accumulate(model, loss_fn, batches, scale, dtype):
    mean = 0.0
    for inputs, targets in batches:
        with torch.autocast(inputs.device.type, dtype=dtype):
            loss = loss_fn(model(inputs), targets) / len(batches)
        (loss * scale).backward()
        mean += loss.item()
    return mean
