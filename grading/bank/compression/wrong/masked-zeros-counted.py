# /// case
# check = "compression/pack"
# misconception = "masked-zeros-counted"
# about = "zeros are written like other numbers"
# ///

# %% pack
def pack(q):
    return struct.pack(f"<B{q.dim()}I", q.dim(), *q.shape) + q.numpy().tobytes()

# %% unpack
def unpack(data):
    shape = struct.unpack_from(f"<{data[0]}I", data, 1)
    return torch.from_numpy(np.frombuffer(data[1 + 4 * data[0] :], np.int8).copy()).reshape(shape)
