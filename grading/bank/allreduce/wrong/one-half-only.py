# /// case
# check = "allreduce/cost"
# misconception = "one-half-only"
# about = "counts the reduce-scatter only"
# ///

# %% ring_seconds
def ring_seconds(world, bytes, alpha, beta):
    return (world - 1) * (alpha + bytes / world * beta)
