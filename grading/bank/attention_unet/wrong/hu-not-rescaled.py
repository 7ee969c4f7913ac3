# /// case
# check = "attention_unet/geometry"
# misconception = "hu-not-rescaled"
# about = "slope and intercept are not used"
# ///

# %% window
def window(stored, slope, intercept, low, high):
    return ((stored.float() - low) / (high - low)).clamp(0, 1)
