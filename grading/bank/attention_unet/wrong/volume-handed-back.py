# /// case
# check = "attention_unet/sliding"
# about = "the volume itself"
# ///

# %% sliding_window
def sliding_window(volume, predict, weight, step):
    return volume.clone()
