# /// case
# check = "moco/step"
# misconception = "key-in-eval-mode"
# about = "switches the key encoder to eval mode, which lasts"
# ///

# %% moco_step
def moco_step(query, key, queue, optimizer, x_q, x_k, m, T):
    key.eval()
    with torch.no_grad():
        k = key(x_k)
    loss = nn.functional.cross_entropy(*info_nce_logits(query(x_q), k, queue.negatives(), T))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    momentum_update(query, key, m)
    queue.enqueue(k)
    return loss.item()
