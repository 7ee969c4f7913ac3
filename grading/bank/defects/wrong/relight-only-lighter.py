# /// case
# check = "defects/transforms"
# about = "never darker"
# ///

# %% relight
def relight(limit):
    return A.RandomBrightnessContrast(brightness_limit=(0, limit), contrast_limit=0, p=1)
