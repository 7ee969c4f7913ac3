# /// case
# check = "clip/step"
# about = "the parameter is another one afterwards, which the optimizer does not know"
# ///

# %% train_step
def train_step(model, optimizer, pictures, tokens, caption):
    image, text = model(pictures, tokens)
    loss = clip_loss(similarity(image, text, model.logit_scale), caption)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    model.logit_scale = nn.Parameter(model.logit_scale.detach().clamp(max=math.log(100)))
    return loss.item()
