# /// case
# check = "amp/accumulate"
# misconception = "no-autocast"
# about = "runs the forward pass in fp32"
# ///

# %% accumulate
def accumulate(model, loss_fn, batches, scale, dtype):
    model.zero_grad()
    mean = 0.0
    for inputs, targets in batches:
        loss = loss_fn(model(inputs), targets) / len(batches)
        (loss * scale).backward()
        mean += loss.item()
    return mean
