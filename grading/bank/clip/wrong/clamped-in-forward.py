# /// case
# check = "clip/step"
# misconception = "clamp-missing"
# about = "the loss sees at most 100, the parameter goes on"
# ///

# %% train_step
def train_step(model, optimizer, pictures, tokens, caption):
    image, text = model(pictures, tokens)
    loss = clip_loss(similarity(image, text, model.logit_scale.clamp(max=math.log(100))), caption)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
