# /// case
check = "compression/pack"
about = "dimensions beyond 65,535 do not fit"
# ///

# %% pack
def pack(q):
    return struct.pack(f"<B{q.dim()}H", q.dim(), *q.shape) + zlib.compress(q.numpy().tobytes())

# %% unpack
def unpack(data):
    shape = struct.unpack_from(f"<{data[0]}H", data, 1)
    return torch.from_numpy(np.frombuffer(zlib.decompress(data[1 + 2 * data[0] :]), np.int8).copy()).reshape(shape)
