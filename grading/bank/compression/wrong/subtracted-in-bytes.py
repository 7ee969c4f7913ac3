# /// case
# check = "compression/quantise"
# misconception = "subtracted-in-bytes"
# about = "q - zero_point is computed in uint8"
# ///

# %% dequantise
def dequantise(q, scale, zero_point):
    return (q - zero_point).float() * scale
