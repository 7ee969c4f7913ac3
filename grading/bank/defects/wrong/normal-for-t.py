# /// case
# check = "defects/ablation"
# misconception = "normal-for-t"
# about = "1.96 and its like"
# ///

# %% paired
def paired(run, seeds, confidence):
    differences = np.array([run(True, seed) - run(False, seed) for seed in seeds])
    n, mean = len(differences), differences.mean()
    half = stats.norm.ppf((1 + confidence) / 2) * differences.std(ddof=1) / math.sqrt(n)
    return mean, mean - half, mean + half
