# /// case
# check = "clip/shards"
# misconception = "not-unit-length"
# about = "products of the features"
# ///

# %% shard_loss
def shard_loss(image, text, images, texts, t, first):
    right = first + torch.arange(len(image))
    per_image, per_text = t.exp() * image @ texts.T, t.exp() * text @ images.T
    return (nn.functional.cross_entropy(per_image, right) + nn.functional.cross_entropy(per_text, right)) / 2
