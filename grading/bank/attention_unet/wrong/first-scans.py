# /// case
# check = "attention_unet/split"
# misconception = "split-by-scan"
# about = "the first scans are tested"
# ///

# %% split
def split(patients, share, seed):
    n = round(share * len(patients))
    return list(range(n, len(patients))), list(range(n))
