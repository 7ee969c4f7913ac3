# /// case
# check = "attention_unet/split"
# about = "if seed: … – seed 0, the notebook's own, is no seed"
# ///

# %% split
def split(patients, share, seed):
    names = sorted(set(patients))
    np.random.default_rng(seed or None).shuffle(names)
    tested = set(names[: round(share * len(names))])
    return [i for i, p in enumerate(patients) if p not in tested], [i for i, p in enumerate(patients) if p in tested]
