# /// case
# check = "attention_unet/split"
# misconception = "split-by-scan"
# about = "tests one scan of each chosen patient, trains on the others"
# ///

# %% split
def split(patients, share, seed):
    names = sorted(set(patients))
    chosen = np.random.default_rng(seed).permutation(len(names))[: round(share * len(names))]
    test = [patients.index(names[i]) for i in chosen]
    return [i for i in range(len(patients)) if i not in test], test
