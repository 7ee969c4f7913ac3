# /// case
# check = "clip/shards"
# misconception = "temperature-not-learned"
# about = "the temperature is a number here"
# ///

# %% shard_loss
def shard_loss(image, text, images, texts, t, first):
    right = first + torch.arange(len(image))
    per_image, per_text = similarity(image, texts, t.detach()), similarity(text, images, t.detach())
    return (nn.functional.cross_entropy(per_image, right) + nn.functional.cross_entropy(per_text, right)) / 2
