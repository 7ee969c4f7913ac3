# /// case
# check = "clip/shards"
# about = "captions choose among this process's pictures"
# ///

# %% shard_loss
def shard_loss(image, text, images, texts, t, first):
    right = first + torch.arange(len(image))
    per_image, per_text = similarity(image, texts, t), similarity(text, image, t)
    return (nn.functional.cross_entropy(per_image, right) + nn.functional.cross_entropy(per_text, torch.arange(len(text)))) / 2
