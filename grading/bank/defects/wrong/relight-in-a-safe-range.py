# /// case
# check = "defects/transforms"
# about = "an option that never lets a pixel leave the range, by changing the contrast"
# ///

# %% relight
def relight(limit):
    return A.RandomBrightnessContrast(brightness_limit=limit, contrast_limit=0, ensure_safe_range=True, p=1)
