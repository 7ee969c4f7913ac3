# /// case
# check = "moco/step"
# about = "q goes into the queue"
# ///

# %% moco_step
def moco_step(query, key, queue, optimizer, x_q, x_k, m, T):
    with torch.no_grad():
        k = key(x_k)
    q = query(x_q)
    loss = nn.functional.cross_entropy(*info_nce_logits(q, k, queue.negatives(), T))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    momentum_update(query, key, m)
    queue.enqueue(q.detach())
    return loss.item()
