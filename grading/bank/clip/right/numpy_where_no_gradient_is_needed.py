# /// case
# about = "numpy and float64 where no gradient is needed; one-hot products for indices; losses of log_softmax"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    mask = torch.full((q.shape[1], q.shape[1]), float("-inf"), dtype=q.dtype).triu(diagonal=1)
    weights = torch.softmax(torch.baddbmm(mask, q, k.transpose(1, 2), alpha=1 / q.shape[2] ** 0.5), dim=2)
    return torch.bmm(weights, v)

# %% end_of_text
def end_of_text(states, tokens, end):
    first = (tokens == end) & ((tokens == end).cumsum(dim=1) == 1)
    return torch.einsum("bl,blw->bw", first.to(states.dtype), states)

# %% similarity
def similarity(image, text, t):
    cosines = nn.functional.cosine_similarity(image[:, None].double(), text[None].double(), dim=-1)
    return (math.e ** t.double() * cosines).to(image.dtype)

# %% clip_loss
def clip_loss(logits, caption):
    import numpy as np

    ids = caption.numpy()
    away = torch.from_numpy(np.equal.outer(ids, ids) & ~np.eye(len(ids), dtype=bool))
    x = logits.double().masked_fill(away, float("-inf"))
    both = torch.log_softmax(x, 0).diagonal() + torch.log_softmax(x, 1).diagonal()
    return (-both.mean() / 2).to(logits.dtype)

# %% train_step
def train_step(model, optimizer, pictures, tokens, caption):
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = None
    image, text = model(pictures, tokens)
    loss = clip_loss(similarity(image, text, model.logit_scale), caption)
    loss.backward()
    optimizer.step()
    model.logit_scale.data.clamp_(0, math.log(100))
    return loss.detach().numpy()

# %% shard_loss
def shard_loss(image, text, images, texts, t, first):
    """The rows and columns of its own out of all logits."""
    n = len(image)
    rows = similarity(image, texts, t)
    columns = similarity(images, text, t)
    own = rows[:, first : first + n].diagonal()
    return (rows.logsumexp(dim=1).mean() + columns.logsumexp(dim=0).mean()) / 2 - own.mean()

# %% zero_shot_weights
def zero_shot_weights(encode, classes, templates):
    import numpy as np

    prompts = [t.replace("{}", c) for c in classes for t in templates]
    features = np.asarray(encode(prompts).detach(), dtype=np.float64).reshape(len(classes), len(templates), -1)
    mean = (features / np.linalg.norm(features, axis=-1, keepdims=True)).mean(axis=1)
    return (mean / np.linalg.norm(mean, axis=-1, keepdims=True)).astype(np.float32)

# %% classify
def classify(image, weights):
    return (image.numpy() @ weights.numpy().T).argmax(axis=1)

# %% hits
def hits(similarity, relevant, k):
    import numpy as np

    similarity, relevant = np.asarray(similarity), np.asarray(relevant)
    best = np.where(relevant, similarity, -np.inf).max(axis=1)
    before = [int((row >= least)[~right].sum()) for row, least, right in zip(similarity, best, relevant)]
    return np.array(before) < k

# %% recall
def recall(similarity, relevant, k):
    import numpy as np

    return [np.asarray(hits(a, b, k)).mean() for a, b in ((similarity, relevant), (similarity.T, relevant.T))]
