# /// case
# check = "clip/shards"
# about = "candidates are taken for constants"
# ///

# %% shard_loss
def shard_loss(image, text, images, texts, t, first):
    right = first + torch.arange(len(image))
    per_image, per_text = similarity(image, texts.detach(), t), similarity(text, images.detach(), t)
    return (nn.functional.cross_entropy(per_image, right) + nn.functional.cross_entropy(per_text, right)) / 2
