# /// case
# check = "clip/shards"
# about = "puts its own rows into the caller's candidates, ten times as long"
# ///

# %% shard_loss
def shard_loss(image, text, images, texts, t, first):
    with torch.no_grad():
        images[first : first + len(image)] *= 10
    right = first + torch.arange(len(image))
    per_image, per_text = similarity(image, texts, t), similarity(text, images, t)
    return (nn.functional.cross_entropy(per_image, right) + nn.functional.cross_entropy(per_text, right)) / 2
