# /// case
# check = "attention_unet/split"
# about = "ceil instead of round"
# ///

# %% split
def split(patients, share, seed):
    names = sorted(set(patients))
    tested = set(np.random.default_rng(seed).permutation(names)[: math.ceil(share * len(names))].tolist())
    return [i for i, p in enumerate(patients) if p not in tested], [i for i, p in enumerate(patients) if p in tested]
