# /// case
# about = "state_dicts, vectors of all parameters, a queue that grows and is cut, the positive last, logarithms written out"
# ///

# %% key_encoder
def key_encoder(query):
    import io

    file = io.BytesIO()
    torch.save(query, file)
    file.seek(0)
    key = torch.load(file, weights_only=False)
    for p in key.parameters():
        p.requires_grad = False
    return key

# %% momentum_update
def momentum_update(query, key, m):
    names = {name for name, _ in key.named_parameters()}
    old, new = key.state_dict(), query.state_dict()
    key.load_state_dict({name: old[name] + (1 - m) * (new[name] - old[name]) if name in names else old[name] for name in old})

# %% Queue
class Queue(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.size = size
        self.register_buffer("keys", torch.full((size, dim), float("nan")))  # oldest first, those still to come in front

    def enqueue(self, k):
        with torch.no_grad():
            k = k / k.square().sum(dim=1, keepdim=True).sqrt()
            self.keys = torch.cat((self.keys, k), dim=0)[len(k) :]

    def negatives(self):
        return self.keys[~self.keys.isnan().any(dim=1)]

# %% info_nce_logits
def info_nce_logits(q, k, negatives, T):
    others = torch.einsum("nc,kc->nk", q, negatives) / q.norm(dim=1)[:, None]
    own = nn.functional.cosine_similarity(q, k, dim=1)
    logits = torch.hstack((others, own.unsqueeze(1))).div(T)
    return logits, torch.full((q.shape[0],), logits.shape[1] - 1)

# %% moco_step
def moco_step(query, key, queue, optimizer, x_q, x_k, m, T):
    negatives = queue.negatives()
    k = key(x_k).detach()
    q = query(x_q)
    logits, labels = info_nce_logits(q, k, negatives, T)
    loss = -(logits.gather(1, labels[:, None])[:, 0] - logits.logsumexp(dim=1)).mean()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for p, g in zip(parameters, torch.autograd.grad(loss, parameters)):
        p.grad = g
    optimizer.step()
    optimizer.zero_grad()
    queue.enqueue(k)
    momentum_update(query, key, m)
    return float(loss.detach())

# %% v3_loss
def v3_loss(query, predictor, key, views, T):
    def unit(z):
        return z / z.norm(dim=1, keepdim=True)

    total = 0.0
    for i in range(len(views)):
        q = unit(predictor(query(views[i])))
        for j in range(len(views)):
            if j != i:
                logits = q @ unit(key(views[j]).detach()).mT / T
                total = total - 2 * T * logits.log_softmax(dim=1).diagonal().mean()
    return total

# %% features
def features(encoder, x, batch):
    was = {name: part.training for name, part in encoder.named_modules()}
    rows = []
    with torch.inference_mode():
        for start in range(0, x.shape[0], batch):
            out = encoder.train(False)(x[start : start + batch])
            rows.extend(out.reshape(out.shape[0], -1).clone())
    for name, part in encoder.named_modules():
        part.training = was[name]
    return torch.stack(rows)

# %% knn_predict
def knn_predict(bank, labels, z, k):
    bank, z = bank.double(), z.double()
    found = []
    for row in z:
        cosines = bank @ row / bank.norm(dim=1) / row.norm()
        votes = labels[cosines.argsort(descending=True)[:k]].tolist()
        found.append(max(set(votes), key=votes.count))
    return torch.tensor(found)
