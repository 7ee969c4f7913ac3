# /// case
# check = "defects/ablation"
# misconception = "arms-on-different-seeds"
# about = "each arm has seeds of its own"
# ///

# %% paired
def paired(run, seeds, confidence):
    differences = np.array([run(True, seed) - run(False, seed + 1000) for seed in seeds])
    n, mean = len(differences), differences.mean()
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * differences.std(ddof=1) / math.sqrt(n)
    return mean, mean - half, mean + half
