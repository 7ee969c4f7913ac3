# /// case
# check = "moco/step"
# misconception = "gradient-into-key"
# about = "the keys are computed with a graph, and backward goes into the key encoder"
# ///

# %% moco_step
def moco_step(query, key, queue, optimizer, x_q, x_k, m, T):
    q, k = query(x_q), key(x_k)
    loss = nn.functional.cross_entropy(*info_nce_logits(q, k, queue.negatives(), T))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    momentum_update(query, key, m)
    queue.enqueue(k)
    return loss.item()
