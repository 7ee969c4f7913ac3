# /// case
# about = "numpy, torch.nn.functional and sorting in other orders; nothing of the earlier steps is used in a later one"
# ///

# %% affine
def affine(lo, hi, bits):
    ends = torch.tensor([lo, hi, 0.0], dtype=torch.float64)
    width = ends.max() - ends.min()
    if not width:
        return 2.0**-8, 0
    scale = width / (2**bits - 1)
    return scale.item(), int((ends.min().neg() / scale).round())

# %% quantise
def quantise(x, scale, zero_point, bits):
    array = np.clip(np.rint(x.numpy() / np.float32(scale)) + zero_point, 0, (1 << bits) - 1)
    return torch.from_numpy(array.astype(np.uint8))

# %% dequantise
def dequantise(q, scale, zero_point):
    return (q.to(torch.int16) - zero_point) * torch.tensor(scale, dtype=torch.float32)

# %% per_channel
def per_channel(weight, axis):
    rows = weight.movedim(axis, 0)
    scale = rows.flatten(1).norm(float("inf"), dim=1).div(127).clamp(min=1e-12)
    q = (rows / scale[(...,) + (None,) * (weight.dim() - 1)]).round().clamp(-127, 127)
    return q.movedim(0, axis).contiguous().char(), scale

# %% calibrate
def calibrate(batches, bits):
    x = torch.cat([b.reshape(-1) for b in batches]).double()
    least, largest, steps = min(x.min().item(), 0.0), max(x.max().item(), 0.0), 2**bits - 1
    found = []
    for k in range(200):
        lo, hi = least * (1 - k / 200), largest * (1 - k / 200)
        s = (hi - lo) / steps or 1.0
        z = round(-lo / s)
        q = torch.clamp(torch.round(x / s) + z, 0, steps)
        found.append((float(((q - z) * s - x).pow(2).sum()), lo, hi))
    return list(min(found)[1:])

# %% quantise_bias
def quantise_bias(bias, s_x, s_w):
    return torch.div(bias.double(), torch.mul(s_w.double(), s_x)).round().int()

# %% integer_linear
def integer_linear(q_x, z_x, q_w, q_b, multiplier, z_y):
    exact = torch.nn.functional.linear(q_x.double() - z_x, q_w.double(), q_b.double())  # whole numbers under 2**53
    return torch.clip((exact * multiplier.double()).round() + z_y, 0, 255).byte()

# %% fold
def fold(weight, bias, mean, var, gamma, beta, eps):
    layers = {2: torch.nn.Linear, 4: torch.nn.Conv2d}
    inverse = torch.rsqrt(var.double() + eps) * gamma
    moved = -mean if bias is None else bias - mean
    return [torch.einsum("c...,c->c...", weight.double(), inverse).float(), (beta + moved * inverse).float()]

# %% prune
def prune(weights, share):
    sizes = np.concatenate([w.abs().numpy().ravel() for w in weights])
    order = np.argsort(-sizes, kind="stable")  # the largest first
    stays = np.zeros(len(sizes), bool)
    stays[order[: len(sizes) - round(share * len(sizes))]] = True
    masks, at = [], 0
    for w in weights:
        masks.append(torch.from_numpy(stays[at : at + w.numel()].reshape(tuple(w.shape))))
        at += w.numel()
    return tuple(masks)

# %% pack
def pack(q):
    flat = q.numpy().ravel()
    head = np.array([q.dim(), *q.shape], dtype="<i4").tobytes()
    return head + np.packbits(flat != 0).tobytes() + flat[flat != 0].tobytes()  # a bit a weight, then the others

# %% unpack
def unpack(data):
    dims = int(np.frombuffer(data, "<i4", 1)[0])
    shape = np.frombuffer(data, "<i4", dims, 4).tolist()
    n, at = math.prod(shape), 4 + 4 * dims
    there = np.unpackbits(np.frombuffer(data[at : at + -(-n // 8)], np.uint8))[:n].astype(bool)
    flat = np.zeros(n, np.int8)
    flat[there] = np.frombuffer(data[at + -(-n // 8) :], np.int8)
    return torch.tensor(flat).reshape(shape)
