# /// case
# check = "amp/accumulate"
# misconception = "summed-not-averaged"
# about = "adds the micro-batches' losses up without dividing by their number"
# ///

# %% accumulate
def accumulate(model, loss_fn, batches, scale, dtype):
    model.zero_grad()
    mean = 0.0
    for inputs, targets in batches:
        with torch.autocast(inputs.device.type, dtype=dtype):
            loss = loss_fn(model(inputs), targets)
        (loss * scale).backward()
        mean += loss.item()
    return mean / len(batches)
