# /// case
# check = "defects/ablation"
# misconception = "spread-divided-by-n"
# about = "numpy's std as it comes"
# ///

# %% paired
def paired(run, seeds, confidence):
    differences = np.array([run(True, seed) - run(False, seed) for seed in seeds])
    n, mean = len(differences), differences.mean()
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * differences.std() / math.sqrt(n)
    return mean, mean - half, mean + half
