# /// case
# check = "attention_unet/split"
# misconception = "split-by-scan"
# about = "shuffles scans"
# ///

# %% split
def split(patients, share, seed):
    order = np.random.default_rng(seed).permutation(len(patients)).tolist()
    n = round(share * len(patients))
    return sorted(order[n:]), sorted(order[:n])
