# /// case
# check = "defects/transforms"
# about = "writes into the picture"
# ///

# %% relight
def relight(limit):
    rng = np.random.default_rng()

    def transform(image, mask):
        image[:] = np.clip(image + 255 * rng.uniform(-limit, limit), 0, 255).round().astype(np.uint8)
        return dict(image=image, mask=mask)

    return transform
