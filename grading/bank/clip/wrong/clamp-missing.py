# /// case
# check = "clip/step"
# misconception = "clamp-missing"
# about = "no limit"
# ///

# %% train_step
def train_step(model, optimizer, pictures, tokens, caption):
    image, text = model(pictures, tokens)
    loss = clip_loss(similarity(image, text, model.logit_scale), caption)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
