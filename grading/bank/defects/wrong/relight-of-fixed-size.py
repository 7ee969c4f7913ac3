# /// case
# check = "defects/transforms"
# about = "a fifth, whatever is asked for"
# ///

# %% relight
def relight(limit):
    return A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0, p=1)
