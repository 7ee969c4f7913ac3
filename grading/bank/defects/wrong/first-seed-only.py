# /// case
# check = "defects/ablation"
# about = "all seeds are run as the first one"
# ///

# %% paired
def paired(run, seeds, confidence):
    differences = np.array([run(True, seeds[0]) - run(False, seeds[0]) + 0 * seed for seed in seeds])
    n, mean = len(differences), differences.mean()
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * differences.std(ddof=1) / math.sqrt(n)
    return mean, mean - half, mean + half
