# /// case
# check = "defects/ablation"
# misconception = "not-paired"
# about = "two samples, pooled"
# ///

# %% paired
def paired(run, seeds, confidence):
    a, b = (np.array([run(arm, seed) for seed in seeds]) for arm in (True, False))
    n, mean = len(a), a.mean() - b.mean()
    half = stats.t.ppf((1 + confidence) / 2, 2 * n - 2) * math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / n)
    return mean, mean - half, mean + half
