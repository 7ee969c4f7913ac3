# /// case
# check = "moco/step"
# about = "the loss that is returned is that of the new weights"
# ///

# %% moco_step
def moco_step(query, key, queue, optimizer, x_q, x_k, m, T):
    with torch.no_grad():
        k = key(x_k)
    loss = nn.functional.cross_entropy(*info_nce_logits(query(x_q), k, queue.negatives(), T))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        loss = nn.functional.cross_entropy(*info_nce_logits(query(x_q), k, queue.negatives(), T))
    momentum_update(query, key, m)
    queue.enqueue(k)
    return loss.item()
