# /// case
# check = "moco/step"
# about = "moves the query encoder by hand, without the optimizer"
# ///

# %% moco_step
def moco_step(query, key, queue, optimizer, x_q, x_k, m, T):
    with torch.no_grad():
        k = key(x_k)
    loss = nn.functional.cross_entropy(*info_nce_logits(query(x_q), k, queue.negatives(), T))
    optimizer.zero_grad()
    loss.backward()
    with torch.no_grad():
        for p in query.parameters():
            p -= optimizer.param_groups[0]["lr"] * p.grad
    momentum_update(query, key, m)
    queue.enqueue(k)
    return loss.item()
