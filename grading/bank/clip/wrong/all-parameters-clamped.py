# /// case
# check = "clip/step"
# about = "keeps every parameter at log 100 at most"
# ///

# %% train_step
def train_step(model, optimizer, pictures, tokens, caption):
    image, text = model(pictures, tokens)
    loss = clip_loss(similarity(image, text, model.logit_scale), caption)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for p in model.parameters():
            p.clamp_(max=math.log(100))
    return loss.item()
