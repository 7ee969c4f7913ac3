# /// case
# check = "amp/accumulate"
# misconception = "unscaled-each-micro-batch"
# about = "divides .grad by the scale after every micro-batch"
# ///

# %% accumulate
def accumulate(model, loss_fn, batches, scale, dtype):
    model.zero_grad()
    mean = 0.0
    for inputs, targets in batches:
        with torch.autocast(inputs.device.type, dtype=dtype):
            loss = loss_fn(model(inputs), targets) / len(batches)
        (loss * scale).backward()
        for p in model.parameters():
            p.grad /= scale
        mean += loss.item()
    return mean
