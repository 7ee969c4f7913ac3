# /// case
# about = "scaled_dot_product_attention, gather, cdist, soft labels, a closure for the optimizer, topk with ties marked down"
# ///

# %% causal_attention
def causal_attention(q, k, v):
    return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)

# %% end_of_text
def end_of_text(states, tokens, end):
    L = tokens.size(1)
    place = torch.where(tokens.eq(end), torch.arange(L).expand_as(tokens), L).min(dim=1).values
    return states.gather(1, place.view(-1, 1, 1).expand(-1, 1, states.size(2))).squeeze(1)

# %% similarity
def similarity(image, text, t):
    image = image / torch.linalg.vector_norm(image, dim=-1, keepdim=True)
    text = nn.functional.normalize(text)
    return nn.functional.linear(image, text).mul(t.exp())

# %% clip_loss
def clip_loss(logits, caption):
    same = torch.eq(caption.unsqueeze(0), caption.unsqueeze(1)).fill_diagonal_(False)
    logits = logits.masked_fill(same, torch.finfo(logits.dtype).min / 4)
    target = torch.eye(len(logits), dtype=logits.dtype)
    criterion = nn.CrossEntropyLoss()
    return 0.5 * criterion(logits, target) + 0.5 * criterion(logits.t(), target)

# %% train_step
def train_step(model, optimizer, pictures, tokens, caption):
    def closure():
        optimizer.zero_grad(set_to_none=True)
        features = model(pictures, tokens)
        loss = clip_loss(similarity(*features, model.logit_scale), caption)
        loss.backward()
        return loss

    loss = optimizer.step(closure)
    model.logit_scale.data = torch.minimum(model.logit_scale.data, torch.tensor(100.0).log())
    return loss.detach()

# %% shard_loss
def shard_loss(image, text, images, texts, t, first):
    labels = torch.arange(first, first + image.shape[0])
    directions = ((image, texts), (text, images))
    return torch.stack([nn.CrossEntropyLoss()(similarity(a, b, t), labels) for a, b in directions]).mean()

# %% zero_shot_weights
def zero_shot_weights(encode, classes, templates):
    """Template by template: (T, K, dim)."""
    with torch.no_grad():
        features = torch.stack([nn.functional.normalize(encode([t.replace("{}", c) for c in classes])) for t in templates])
    return nn.functional.normalize(features.sum(dim=0))

# %% classify
def classify(image, weights):
    return torch.cdist(nn.functional.normalize(image), weights).min(dim=1).indices

# %% hits
def hits(similarity, relevant, k):
    """Right candidates of the same similarity as a wrong one are moved behind it, then topk decides."""
    _, rank = torch.unique(similarity, return_inverse=True)
    places = (2 * rank + (~relevant).long()).topk(k, dim=1).indices
    return relevant.gather(1, places).sum(dim=1) > 0

# %% recall
def recall(similarity, relevant, k):
    return tuple(torch.mean(hits(a, b, k) * 1.0) for a, b in [(similarity, relevant), (similarity.mT, relevant.mT)])
