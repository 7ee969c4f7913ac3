# /// case
# check = "amp/accumulate"
# misconception = "scaled-loss-reported"
# about = "returns the scaled loss"
# ///

# %% accumulate
def accumulate(model, loss_fn, batches, scale, dtype):
    model.zero_grad()
    mean = 0.0
    for inputs, targets in batches:
        with torch.autocast(inputs.device.type, dtype=dtype):
            loss = loss_fn(model(inputs), targets) / len(batches)
        loss = loss * scale
        loss.backward()
        mean += loss.item()
    return mean
