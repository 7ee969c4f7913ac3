# /// case
# about = "float64 and numpy where no gradient is needed, generators for pairs, a queue of single rows, the positive in a place that differs by row"
# ///

# %% key_encoder
def key_encoder(query):
    key = copy.deepcopy(query)
    key.load_state_dict(query.state_dict())
    return key.eval().train(query.training).requires_grad_(False)

# %% momentum_update
@torch.no_grad()
def momentum_update(query, key, m):
    theirs = dict(query.named_parameters())
    for name, parameter in key.named_parameters():
        mean = m * parameter.double() + (1 - m) * theirs[name].double()
        parameter.data = mean.to(parameter.dtype)

# %% Queue
class Queue(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.dim, self.size = dim, size
        self.rows = []

    def enqueue(self, k):
        for key in k.detach().double():
            self.rows.append((key / torch.linalg.vector_norm(key)).float())
        del self.rows[: -self.size]

    def negatives(self):
        return torch.stack(self.rows[::-1]) if self.rows else torch.zeros(0, self.dim)

    def get_extra_state(self):
        return {"rows": [row.tolist() for row in self.rows]}

    def set_extra_state(self, state):
        self.rows = [torch.tensor(row) for row in state["rows"]]

# %% info_nce_logits
def info_nce_logits(q, k, negatives, T):
    """The positive of row i stands in column i mod (1 + K)."""
    n, columns = len(q), len(negatives) + 1
    unit = q / q.norm(dim=1, keepdim=True)
    own = (unit * (k / k.norm(dim=1, keepdim=True))).sum(1) / T
    others = unit @ negatives.t() / T
    places = torch.arange(n) % columns
    yield torch.stack([torch.cat([row[:p], one[None], row[p:]]) for row, one, p in zip(others, own, places.tolist())])
    yield places

# %% moco_step
def moco_step(query, key, queue, optimizer, x_q, x_k, m, T):
    query.zero_grad(set_to_none=False)
    asked = [p.requires_grad for p in key.parameters()]
    key.requires_grad_(False)
    k = key(x_k)
    for p, r in zip(key.parameters(), asked):
        p.requires_grad_(r)
    logits, labels = info_nce_logits(query(x_q), k, queue.negatives(), T)
    loss = nn.CrossEntropyLoss()(logits, labels)
    loss.backward()
    optimizer.step()
    momentum_update(query, key, m)
    queue.enqueue(k)
    return loss.detach().numpy()

# %% v3_loss
def v3_loss(query, predictor, key, views, T):
    """All pairs of views at once."""
    q = nn.functional.normalize(torch.stack([predictor(query(x)) for x in views]), dim=2)
    with torch.no_grad():
        k = nn.functional.normalize(torch.stack([key(x) for x in views]), dim=2)
    logits = torch.einsum("inc,jmc->ijnm", q, k) / T
    logp = logits.log_softmax(dim=-1).diagonal(dim1=2, dim2=3).mean(dim=-1)
    return -2 * T * (logp.sum() - logp.trace())

# %% features
def features(encoder, x, batch):
    import contextlib

    @contextlib.contextmanager
    def evaluating():
        was = [part for part in encoder.modules() if part.training]
        encoder.eval()
        yield
        for part in was:
            part.training = True

    with evaluating(), torch.no_grad():
        return np_rows([encoder(x[i : i + batch]).numpy() for i in range(0, len(x), batch)])


def np_rows(parts):
    import numpy as np

    return np.concatenate([part.reshape(len(part), -1) for part in parts])

# %% knn_predict
def knn_predict(bank, labels, z, k):
    import numpy as np

    bank, z, labels = (np.asarray(t) for t in (bank, z, labels))
    bank = bank / np.linalg.norm(bank, axis=1, keepdims=True)
    order = np.argsort(-(z / np.linalg.norm(z, axis=1, keepdims=True)) @ bank.T, axis=1)[:, :k]
    return np.array([np.bincount(labels[row]).argmax() for row in order])
