# /// case
check = "compression/quantise"
misconception = "shift-forgotten"
about = "the integers are scaled as they are"
# ///

# %% dequantise
def dequantise(q, scale, zero_point):
    return scale * q.float()
