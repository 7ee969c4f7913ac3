# /// case
# check = "clip/step"
# misconception = "clamped-before-step"
# about = "sets the temperature back when the next step begins"
# ///

# %% train_step
def train_step(model, optimizer, pictures, tokens, caption):
    with torch.no_grad():
        model.logit_scale.clamp_(max=math.log(100))
    image, text = model(pictures, tokens)
    loss = clip_loss(similarity(image, text, model.logit_scale), caption)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
