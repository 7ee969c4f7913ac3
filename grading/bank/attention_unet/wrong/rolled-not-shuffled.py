# /// case
# check = "attention_unet/split"
# about = "neighbours in the list of names, not a random choice"
# ///

# %% split
def split(patients, share, seed):
    names = sorted(set(patients))
    tested = {names[(seed + i) % len(names)] for i in range(round(share * len(names)))}
    return [i for i, p in enumerate(patients) if p not in tested], [i for i, p in enumerate(patients) if p in tested]
