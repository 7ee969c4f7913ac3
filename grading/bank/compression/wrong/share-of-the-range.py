# /// case
check = "compression/prune"
about = "all below a share of the largest magnitude go"
# ///

# %% prune
def prune(weights, share):
    largest = max(w.abs().max() for w in weights)
    return [w.abs() > share * largest for w in weights]
