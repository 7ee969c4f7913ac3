# /// case
# check = "defects/transforms"
# about = "beyond 255 follows 0"
# ///

# %% relight
def relight(limit):
    rng = np.random.default_rng()
    return lambda image, mask: {"image": (image + np.int64(255 * rng.uniform(-limit, limit))).astype(np.uint8), "mask": mask}
