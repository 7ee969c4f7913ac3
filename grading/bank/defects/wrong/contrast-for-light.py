# /// case
# check = "defects/transforms"
# about = "multiplies in the place of adding"
# ///

# %% relight
def relight(limit):
    return A.RandomBrightnessContrast(brightness_limit=0, contrast_limit=limit, p=1)
