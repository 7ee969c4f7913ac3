# /// case
# check = "moco/step"
# about = "clears the gradients between backward and step"
# ///

# %% moco_step
def moco_step(query, key, queue, optimizer, x_q, x_k, m, T):
    with torch.no_grad():
        k = key(x_k)
    loss = nn.functional.cross_entropy(*info_nce_logits(query(x_q), k, queue.negatives(), T))
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    momentum_update(query, key, m)
    queue.enqueue(k)
    return loss.item()
