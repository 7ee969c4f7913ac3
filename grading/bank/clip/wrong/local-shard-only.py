# /// case
# check = "clip/shards"
# misconception = "local-shard-only"
# about = "the square of its own pairs"
# ///

# %% shard_loss
def shard_loss(image, text, images, texts, t, first):
    right = torch.arange(len(image))
    logits = similarity(image, text, t)
    return (nn.functional.cross_entropy(logits, right) + nn.functional.cross_entropy(logits.T, right)) / 2
