# /// case
# check = "defects/transforms"
# misconception = "hue-on-grey"
# about = "shifts hue and saturation of grey pictures"
# ///

# %% relight
def relight(limit):
    return A.HueSaturationValue(hue_shift_limit=180 * limit, sat_shift_limit=255 * limit, val_shift_limit=0, p=1)
