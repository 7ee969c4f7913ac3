# /// case
# about = "clears the gradients when the step is done, so that the next one finds none"
# ///

# %% train_step
def train_step(model, optimizer, pictures, tokens, caption):
    image, text = model(pictures, tokens)
    loss = clip_loss(similarity(image, text, model.logit_scale), caption)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    model.logit_scale.data.clamp_(max=math.log(100))
    return loss.item()

# %% similarity
def similarity(image, text, t):
    image = image / (image.norm(dim=1, keepdim=True) + 1e-8)
    text = text / (text.norm(dim=1, keepdim=True) + 1e-8)
    return t.exp() * image @ text.T

# %% clip_loss
def clip_loss(logits, caption):
    same = (caption[:, None] == caption) ^ torch.eye(len(caption), dtype=torch.bool)
    rows = logits.masked_fill(same, -math.inf)
    return -(rows.log_softmax(1).diagonal() + rows.T.log_softmax(1).diagonal()).mean() / 2
