# /// case
check = "compression/pack"
about = "-128 comes back as -127"
# ///

# %% pack
def pack(q):
    return struct.pack(f"<B{q.dim()}I", q.dim(), *q.shape) + zlib.compress(q.clamp(min=-127).numpy().tobytes())
