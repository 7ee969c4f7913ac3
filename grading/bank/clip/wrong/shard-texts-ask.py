# /// case
# check = "clip/shards"
# misconception = "one-direction"
# about = "captions alone ask"
# ///

# %% shard_loss
def shard_loss(image, text, images, texts, t, first):
    right = first + torch.arange(len(image))
    per_image, per_text = similarity(image, texts, t), similarity(text, images, t)
    return nn.functional.cross_entropy(per_text, right)
