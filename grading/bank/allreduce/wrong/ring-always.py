# /// case
# check = "allreduce/cost"
# misconception = "ring-always"
# about = "has heard that the ring is bandwidth-optimal"
# ///

# %% faster
def faster(world, bytes, alpha, beta):
    return "ring"
