# /// case
# check = "defects/transforms"
# about = "no randomness: five amounts in turn"
# ///

# %% relight
def relight(limit):
    self = {'k': 0}

    def transform(image, mask):
        self['k'] = (self['k'] + 2) % 5
        image = np.clip(image + 255 * limit * (-0.8, -0.4, 0.1, 0.4, 0.8)[self['k']], 0, 255).round().astype(np.uint8)
        return dict(image=image, mask=mask)

    return transform
