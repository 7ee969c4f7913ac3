# /// case
# check = "clip/step"
# about = "the loss of the new weights"
# ///

# %% train_step
def train_step(model, optimizer, pictures, tokens, caption):
    image, text = model(pictures, tokens)
    loss = clip_loss(similarity(image, text, model.logit_scale), caption)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        model.logit_scale.clamp_(max=math.log(100))
    with torch.no_grad():
        return clip_loss(similarity(*model(pictures, tokens), model.logit_scale), caption).item()
