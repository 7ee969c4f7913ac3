# /// case
# check = "defects/ablation"
# about = "0, 1, 2, … in the place of the seeds given"
# ///

# %% paired
def paired(run, seeds, confidence):
    differences = np.array([run(True, seed) - run(False, seed) for seed in range(len(seeds))])
    n, mean = len(differences), differences.mean()
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * differences.std(ddof=1) / math.sqrt(n)
    return mean, mean - half, mean + half
