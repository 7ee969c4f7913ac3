# /// case
check = "compression/pack"
about = "the nonzero bytes with a position of two bytes each"
# ///

# %% pack
def pack(q):
    flat = q.flatten().numpy()
    at = np.flatnonzero(flat)
    head = struct.pack(f"<B{q.dim()}IQ", q.dim(), *q.shape, len(at))
    return head + np.diff(at, prepend=0).astype(np.uint16).tobytes() + flat[at].tobytes()

# %% unpack
def unpack(data):
    *shape, n = struct.unpack_from(f"<{data[0]}IQ", data, 1)
    start = struct.calcsize(f"<{data[0]}IQ") + 1
    at = np.frombuffer(data, np.uint16, n, start).cumsum()
    flat = np.zeros(math.prod(shape), np.int8)
    flat[at] = np.frombuffer(data, np.int8, n, start + 2 * n)
    return torch.from_numpy(flat).reshape(shape)
