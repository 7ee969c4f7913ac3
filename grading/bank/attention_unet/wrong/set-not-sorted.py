# /// case
# check = "attention_unet/split"
# about = "list(set(…)): another split in each process, as hashes of strings are salted"
# ///

# %% split
def split(patients, share, seed):
    names = list(set(patients))
    random.Random(seed).shuffle(names)
    tested = set(names[: round(share * len(names))])
    return [i for i, p in enumerate(patients) if p not in tested], [i for i, p in enumerate(patients) if p in tested]
