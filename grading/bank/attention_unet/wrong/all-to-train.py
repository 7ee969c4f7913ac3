# /// case
# check = "attention_unet/split"
# about = "tests nobody"
# ///

# %% split
def split(patients, share, seed):
    return list(range(len(patients))), []
