# /// case
# check = "defects/ablation"
# about = "trains all of it twice"
# ///

# %% paired
def paired(run, seeds, confidence):
    differences = np.array([run(True, seed) - run(False, seed) for seed in seeds])
    n, mean = len(differences), np.mean([run(True, seed) - run(False, seed) for seed in seeds])
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * differences.std(ddof=1) / math.sqrt(n)
    return mean, mean - half, mean + half
