# /// case
# check = "defects/transforms"
# about = "beyond 255 it comes back"
# ///

# %% relight
def relight(limit):
    rng = np.random.default_rng()

    def transform(image, mask):
        x = np.abs(image + 255 * rng.uniform(-limit, limit))
        image = np.where(x > 255, 510 - x, x).round().astype(np.uint8)
        return dict(image=image, mask=mask)

    return transform
