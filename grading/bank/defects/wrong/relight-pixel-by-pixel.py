# /// case
# check = "defects/transforms"
# about = "noise: each pixel an amount of its own"
# ///

# %% relight
def relight(limit):
    rng = np.random.default_rng()
    return lambda image, mask: {"image": np.clip(image + 255 * rng.uniform(-limit, limit, image.shape), 0, 255).astype(np.uint8), "mask": mask}
