# /// case
# check = "clip/step"
# about = "the optimizer is forgotten"
# ///

# %% train_step
def train_step(model, optimizer, pictures, tokens, caption):
    image, text = model(pictures, tokens)
    loss = clip_loss(similarity(image, text, model.logit_scale), caption)
    optimizer.zero_grad()
    loss.backward()
    with torch.no_grad():
        model.logit_scale.clamp_(max=math.log(100))
    return loss.item()
