# /// case
# check = "attention_unet/split"
# about = "drops all scans of a patient but the first"
# ///

# %% split
def split(patients, share, seed):
    names = sorted(set(patients))
    tested = set(np.random.default_rng(seed).permutation(names)[: round(share * len(names))].tolist())
    first = [patients.index(n) for n in names]
    return [i for i in first if patients[i] not in tested], [i for i in first if patients[i] in tested]
