# /// case
# check = "amp/accumulate"
# misconception = "scaled-after-backward"
# about = "calls backward on the plain loss and scales only afterwards"
# ///

# %% accumulate
def accumulate(model, loss_fn, batches, scale, dtype):
    model.zero_grad()
    mean = 0.0
    for inputs, targets in batches:
        with torch.autocast(inputs.device.type, dtype=dtype):
            loss = loss_fn(model(inputs), targets) / len(batches)
        loss.backward()
        loss = loss * scale
        mean += loss.item() / scale
    return mean
