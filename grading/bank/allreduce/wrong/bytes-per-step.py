# /// case
# check = "allreduce/cost"
# misconception = "bytes-per-step"
# about = "charges each step with the whole tensor"
# ///

# %% ring_seconds
def ring_seconds(world, bytes, alpha, beta):
    return 2 * (world - 1) * (alpha + bytes * beta)
