# /// case
# check = "clip/step"
# about = "picture features on both sides"
# ///

# %% train_step
def train_step(model, optimizer, pictures, tokens, caption):
    image, text = model(pictures, tokens)
    loss = clip_loss(similarity(image, image, model.logit_scale), caption)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        model.logit_scale.clamp_(max=math.log(100))
    return loss.item()
