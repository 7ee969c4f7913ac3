# /// case
# about = "foreach operations, a lerp, two buffers for the place, an optimizer's closure, distances for cosines"
# ///

# %% key_encoder
def key_encoder(query):
    memo = {}
    key = copy.deepcopy(query, memo)
    key.requires_grad_(requires_grad=False)
    return key

# %% momentum_update
def momentum_update(query, key, m):
    with torch.no_grad():
        torch._foreach_lerp_(list(key.parameters()), list(query.parameters()), 1 - m)

# %% Queue
class Queue(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.register_buffer("columns", torch.zeros(dim, size))  # (dim, size), as the paper's code has it
        self.register_buffer("place", torch.tensor([0, 0]))  # where the next key goes, and how many there are

    @torch.no_grad()
    def enqueue(self, k):
        size = self.columns.shape[1]
        for key in nn.functional.normalize(k):
            where, held = self.place.tolist()
            self.columns[:, where] = key
            self.place.copy_(torch.tensor([(where + 1) % size, min(held + 1, size)]))

    def negatives(self):
        return self.columns[:, : self.place[1].item()].T.clone()

# %% info_nce_logits
def info_nce_logits(q, k, negatives, T):
    q = q / q.norm(p=2, dim=1, keepdim=True).clamp(min=1e-12)
    positive = torch.bmm(q[:, None, :], nn.functional.normalize(k)[:, :, None]).flatten(1)
    negative = nn.functional.linear(q, negatives)
    return [torch.cat((positive / T, negative / T), 1), q.new_zeros(len(q)).long()]

# %% moco_step
def moco_step(query, key, queue, optimizer, x_q, x_k, m, T):
    """The optimizer asks for the loss itself."""
    with torch.inference_mode():
        k = key(x_k)
    k, earlier = k.clone(), queue.negatives()

    def closure():
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(*info_nce_logits(query(x_q), k, earlier, T))
        loss.backward()
        return loss

    loss = optimizer.step(closure)
    momentum_update(query, key, m)
    queue.enqueue(k)
    return loss.detach()

# %% v3_loss
def v3_loss(query, predictor, key, views, T):
    import itertools

    def ctr(q, k):
        distance = (q[:, None] - k[None]).square().sum(-1)  # 2 - 2 cos, for unit length
        return 2 * T * nn.functional.nll_loss((-distance / (2 * T)).log_softmax(1), torch.arange(len(q)))

    encoded = [(nn.functional.normalize(predictor(query(x))), nn.functional.normalize(key(x)).detach()) for x in views]
    return sum(ctr(q1, k2) + ctr(q2, k1) for (q1, k1), (q2, k2) in itertools.combinations(encoded, 2))

# %% features
def features(encoder, x, batch):
    """A copy in eval mode, so that the encoder need not be touched."""
    still = copy.deepcopy(encoder).eval().requires_grad_(False)
    return torch.vstack([torch.flatten(still(rows), start_dim=1) for rows in torch.split(x, batch)])

# %% knn_predict
def knn_predict(bank, labels, z, k):
    distances = torch.cdist(nn.functional.normalize(z), nn.functional.normalize(bank))
    names = labels.unique()
    votes = nn.functional.one_hot(torch.searchsorted(names, labels))[distances.argsort(dim=1)[:, :k]].sum(dim=1)
    return names[votes.argmax(dim=1)]
