# /// case
# check = "clip/shards"
# about = "first is taken for the number of the process"
# ///

# %% shard_loss
def shard_loss(image, text, images, texts, t, first):
    right = first * len(image) + torch.arange(len(image))
    right = right % len(images)
    per_image, per_text = similarity(image, texts, t), similarity(text, images, t)
    return (nn.functional.cross_entropy(per_image, right) + nn.functional.cross_entropy(per_text, right)) / 2
