# /// case
check = "compression/pack"
about = "the shape is kept in a dict, where a file's reader will not have it"
# ///

# %% pack
def pack(q):
    data = zlib.compress(q.numpy().tobytes())
    SHAPES[data] = q.shape
    return data


SHAPES = {}

# %% unpack
def unpack(data):
    return torch.from_numpy(np.frombuffer(zlib.decompress(data), np.int8).copy()).reshape(SHAPES[data])
