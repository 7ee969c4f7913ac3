# /// case
# check = "defects/ablation"
# about = "takes the seeds out of the list that it is given"
# ///

# %% paired
def paired(run, seeds, confidence):
    d = []
    while seeds:
        s = seeds.pop()
        d.append(run(True, s) - run(False, s))
    d, n = np.array(d), len(d)
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * d.std(ddof=1) / math.sqrt(n)
    return d.mean(), d.mean() - half, d.mean() + half
