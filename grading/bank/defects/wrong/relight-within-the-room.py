# /// case
# check = "defects/transforms"
# about = "takes an amount that no pixel needs to be cut off for"
# ///

# %% relight
def relight(limit):
    rng = np.random.default_rng()

    def transform(image, mask):
        a = float(np.clip(255 * rng.uniform(-limit, limit), -int(image.min()), 255 - int(image.max())))
        image = (image + a).round().astype(np.uint8)
        return dict(image=image, mask=mask)

    return transform
