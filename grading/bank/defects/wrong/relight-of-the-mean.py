# /// case
# check = "defects/transforms"
# about = "in parts of the picture's mean, not of 255"
# ///

# %% relight
def relight(limit):
    return A.RandomBrightnessContrast(brightness_limit=limit, contrast_limit=0, brightness_by_max=False, p=1)
