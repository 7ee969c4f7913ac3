# /// case
# check = "attention_unet/split"
# about = "patients until the share of scans is reached"
# ///

# %% split
def split(patients, share, seed):
    names = np.random.default_rng(seed).permutation(sorted(set(patients))).tolist()
    test = []
    while len(test) < round(share * len(patients)):
        name = names.pop()
        test += [i for i, p in enumerate(patients) if p == name]
    return [i for i in range(len(patients)) if i not in test], test
