# /// case
# check = "defects/transforms"
# about = "the mask's labels get lighter with the picture"
# ///

# %% relight
def relight(limit):
    rng = np.random.default_rng()

    def t(image, mask):
        add = 255 * rng.uniform(-limit, limit)
        return {k: np.clip(v + add, 0, 255).astype(np.uint8) for k, v in (("image", image), ("mask", mask))}

    return t
