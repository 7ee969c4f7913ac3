# /// case
# check = "attention_unet/split"
# about = "always the same patients"
# ///

# %% split
def split(patients, share, seed):
    names = sorted(set(patients))
    tested = set(names[: round(share * len(names))])
    return [i for i, p in enumerate(patients) if p not in tested], [i for i, p in enumerate(patients) if p in tested]
