# /// case
# check = "allreduce/cost"
# about = "says ring and doubling in turns"
# ///

# %% faster
CALLS = [0]


def faster(world, bytes, alpha, beta):
    CALLS[0] += 1
    return ["doubling", "ring"][CALLS[0] % 2]
