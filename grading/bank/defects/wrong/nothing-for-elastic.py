# /// case
# check = "defects/transforms"
# about = "gives back what it gets"
# ///

# %% elastic
def elastic(spread, sigma):
    return A.NoOp(p=1)
