# /// case
# check = "moco/step"
# misconception = "key-in-eval-mode"
# about = "runs the key encoder in eval mode, and puts its mode back"
# ///

# %% moco_step
def moco_step(query, key, queue, optimizer, x_q, x_k, m, T):
    training = key.training
    key.eval()
    with torch.no_grad():
        k = key(x_k)
    key.train(training)
    loss = nn.functional.cross_entropy(*info_nce_logits(query(x_q), k, queue.negatives(), T))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    momentum_update(query, key, m)
    queue.enqueue(k)
    return loss.item()
