# /// case
# check = "defects/threshold"
# about = "k / n"
# ///

# %% lower_bound
def lower_bound(k, n, confidence):
    return k / n
