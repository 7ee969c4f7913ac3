# /// case
# check = "defects/transforms"
# about = "plus or minus the limit, nothing between"
# ///

# %% relight
def relight(limit):
    rng = np.random.default_rng()
    return lambda image, mask: {"image": np.clip(image + 255.0 * limit * rng.choice([-1, 1]), 0, 255).astype(np.uint8), "mask": mask}
