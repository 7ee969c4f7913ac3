# /// case
# check = "amp/accumulate"
# misconception = "backward-inside-autocast"
# about = "calls backward inside the autocast block"
# ///

# %% accumulate
def accumulate(model, loss_fn, batches, scale, dtype):
    model.zero_grad()
    mean = 0.0
    for inputs, targets in batches:
        with torch.autocast(inputs.device.type, dtype=dtype):
            loss = loss_fn(model(inputs), targets) / len(batches)
            (loss * scale).backward()
        mean += loss.item()
    return mean
