# /// case
# check = "defects/transforms"
# misconception = "probability-left-at-default"
# about = "p left at 0.5"
# ///

# %% relight
def relight(limit):
    return A.RandomBrightnessContrast(brightness_limit=limit, contrast_limit=0)
