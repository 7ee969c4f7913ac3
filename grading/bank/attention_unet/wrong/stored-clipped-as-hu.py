# /// case
# check = "attention_unet/geometry"
# misconception = "hu-not-rescaled"
# about = "clips what is stored to the window, with numpy"
# ///

# %% window
def window(stored, slope, intercept, low, high):
    x = np.clip(stored.numpy().astype(np.float32), low, high)
    return torch.from_numpy((x - low) / (high - low)).float()
