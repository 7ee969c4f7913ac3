# /// case
# check = "allreduce/cost"
# about = "recursive doubling is charged twice, as if it had two halves"
# ///

# %% faster
def faster(world, bytes, alpha, beta):
    return "ring" if ring_seconds(world, bytes, alpha, beta) < 2 * math.log2(world) * (alpha + bytes * beta) else "doubling"
