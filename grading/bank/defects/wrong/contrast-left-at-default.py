# /// case
# check = "defects/transforms"
# about = "brightness as asked for, and a contrast that nobody asked for"
# ///

# %% relight
def relight(limit):
    return A.RandomBrightnessContrast(brightness_limit=limit, p=1)
