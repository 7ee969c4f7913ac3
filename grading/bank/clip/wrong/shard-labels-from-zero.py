# /// case
# check = "clip/shards"
# misconception = "shard-labels-from-zero"
# about = "arange(n) in every process"
# ///

# %% shard_loss
def shard_loss(image, text, images, texts, t, first):
    right = torch.arange(len(image))
    per_image, per_text = similarity(image, texts, t), similarity(text, images, t)
    return (nn.functional.cross_entropy(per_image, right) + nn.functional.cross_entropy(per_text, right)) / 2
