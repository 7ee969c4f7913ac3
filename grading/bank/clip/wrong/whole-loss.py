# /// case
# check = "clip/shards"
# about = "all pairs in every process"
# ///

# %% shard_loss
def shard_loss(image, text, images, texts, t, first):
    right = torch.arange(len(images))
    logits = similarity(images, texts, t)
    return (nn.functional.cross_entropy(logits, right) + nn.functional.cross_entropy(logits.T, right)) / 2
