# /// case
# check = "defects/ablation"
# about = "runs everything and answers a constant"
# ///

# %% paired
def paired(run, seeds, confidence):
    for seed in seeds:
        run(True, seed), run(False, seed)
    return 0.01, 0.0, 0.02
