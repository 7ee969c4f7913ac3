# /// case
# check = "moco/step"
# misconception = "key-moved-before-step"
# about = "the momentum update comes first, as in the paper's code"
# ///

# %% moco_step
def moco_step(query, key, queue, optimizer, x_q, x_k, m, T):
    momentum_update(query, key, m)
    with torch.no_grad():
        k = key(x_k)
    loss = nn.functional.cross_entropy(*info_nce_logits(query(x_q), k, queue.negatives(), T))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    queue.enqueue(k)
    return loss.item()
