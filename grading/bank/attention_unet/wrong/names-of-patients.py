# /// case
# check = "attention_unet/split"
# about = "names instead of numbers of scans"
# ///

# %% split
def split(patients, share, seed):
    names = np.random.default_rng(seed).permutation(sorted(set(patients))).tolist()
    n = round(share * len(names))
    return names[n:], names[:n]
