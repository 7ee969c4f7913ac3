# /// case
# about = "loops over texts, pairs and queries; logarithms written out; a mask of minus infinities that is added"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    """One token after the other, each with those before it."""
    out = []
    for i in range(q.shape[1]):
        scores = torch.einsum("nd,njd->nj", q[:, i], k[:, : i + 1]) * q.shape[-1] ** -0.5
        out.append(torch.einsum("nj,njv->nv", scores.softmax(dim=-1), v[:, : i + 1]))
    return torch.stack(out, dim=1)

# %% end_of_text
def end_of_text(states, tokens, end):
    places = [row.index(end) for row in tokens.tolist()]
    return torch.stack([state[place] for state, place in zip(states, places)])

# %% similarity
def similarity(image, text, t):
    a, b = (x / x.square().sum(dim=1, keepdim=True).sqrt() for x in (image, text))
    return torch.einsum("nd,md->nm", a, b) * torch.exp(t)

# %% clip_loss
def clip_loss(logits, caption):
    n, ids = len(logits), caption.tolist()
    total = 0.0
    for i in range(n):
        others = [j for j in range(n) if j == i or ids[j] != ids[i]]
        total = total + logits[i, others].logsumexp(0) + logits[others, i].logsumexp(0) - 2 * logits[i, i]
    return total / (2 * n)

# %% train_step
def train_step(model, optimizer, pictures, tokens, caption):
    features = model(pictures, tokens)
    loss = clip_loss(similarity(*features, model.logit_scale), caption)
    parameters = list(model.parameters())
    for p, gradient in zip(parameters, torch.autograd.grad(loss, parameters)):
        p.grad = gradient
    optimizer.step()
    optimizer.zero_grad()
    if model.logit_scale.item() > math.log(100):
        nn.init.constant_(model.logit_scale, math.log(100))
    return float(loss.detach())

# %% shard_loss
def shard_loss(image, text, images, texts, t, first):
    total = 0.0
    for i in range(len(image)):
        of_image = similarity(image[i : i + 1], texts, t)[0]
        of_text = similarity(text[i : i + 1], images, t)[0]
        total = total - of_image.log_softmax(0)[first + i] - of_text.log_softmax(0)[first + i]
    return total / len(image) / 2

# %% zero_shot_weights
def zero_shot_weights(encode, classes, templates):
    """Template by template, prompt by prompt."""
    weights = []
    for name in classes:
        total = 0
        for template in templates:
            feature = encode([template.format(name)])[0]
            total = total + feature / feature.norm()
        weights.append(total / total.norm())
    return torch.stack(weights)

# %% classify
def classify(image, weights):
    return torch.tensor([max(range(len(weights)), key=lambda c: float(weights[c] @ row)) for row in image])

# %% hits
def hits(similarity, relevant, k):
    """Sorts each query's candidates, wrong ones first where they tie."""
    found = []
    for row, right in zip(similarity.tolist(), relevant.tolist()):
        order = sorted(range(len(row)), key=lambda c: (-row[c], right[c]))
        found.append(any(right[c] for c in order[:k]))
    return torch.tensor(found)

# %% recall
def recall(similarity, relevant, k):
    for a, b in ((similarity, relevant), (similarity.t(), relevant.t())):
        found = hits(a, b, k).tolist()
        yield sum(found) / len(found)
