# /// case
# check = "amp/accumulate"
# misconception = "loss-in-half"
# about = "closes the autocast block before the loss"
# ///

# %% accumulate
def accumulate(model, loss_fn, batches, scale, dtype):
    model.zero_grad()
    mean = 0.0
    for inputs, targets in batches:
        with torch.autocast(inputs.device.type, dtype=dtype):
            outputs = model(inputs)
        loss = loss_fn(outputs, targets) / len(batches)
        (loss * scale).backward()
        mean += loss.item()
    return mean
