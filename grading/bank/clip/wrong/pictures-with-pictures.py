# /// case
# check = "clip/shards"
# about = "candidates of the wrong kind"
# ///

# %% shard_loss
def shard_loss(image, text, images, texts, t, first):
    right = first + torch.arange(len(image))
    per_image, per_text = similarity(image, images, t), similarity(text, texts, t)
    return (nn.functional.cross_entropy(per_image, right) + nn.functional.cross_entropy(per_text, right)) / 2
