# /// case
# check = "defects/ablation"
# misconception = "spread-for-error"
# about = "not divided by the root of n"
# ///

# %% paired
def paired(run, seeds, confidence):
    differences = np.array([run(True, seed) - run(False, seed) for seed in seeds])
    n, mean = len(differences), differences.mean()
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * differences.std(ddof=1)
    return mean, mean - half, mean + half
