# /// case
# check = "attention_unet/split"
# about = "no seed"
# ///

# %% split
def split(patients, share, seed):
    names = sorted(set(patients))
    tested = set(np.random.default_rng().permutation(names)[: round(share * len(names))].tolist())
    return [i for i, p in enumerate(patients) if p not in tested], [i for i, p in enumerate(patients) if p in tested]
