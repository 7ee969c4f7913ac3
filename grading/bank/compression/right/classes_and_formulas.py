# /// case
# about = "a class that knows its grid, formulas turned round, zero points taken out of the sums afterwards"
# ///

# %% affine
class Grid:
    def __init__(self, lo, hi, bits):
        self.top = 2**bits - 1
        self.lo, self.hi = sorted((min(0, lo), max(0, hi)))
        self.step = max(self.hi - self.lo, 1e-20) / self.top

    @property
    def zero(self):
        return max(0, min(self.top, round(self.top - self.hi / self.step)))


def affine(lo, hi, bits):
    grid = Grid(lo, hi, bits)
    return [grid.step, grid.zero]

# %% quantise
def quantise(x, scale, zero_point, bits):
    lowest, highest = -zero_point * scale, (2**bits - 1 - zero_point) * scale
    return x.clamp(lowest, highest).div(scale).add(zero_point).round().to(torch.uint8)  # clamped before it is divided

# %% dequantise
def dequantise(q, scale, zero_point):
    table = torch.tensor([scale * (i - zero_point) for i in range(256)])
    return table[q.long()]

# %% per_channel
def per_channel(weight, axis):
    scales, channels = [], []
    for channel in weight.unbind(axis):
        largest = max(channel.max().item(), -channel.min().item())
        scales.append(largest / 127 if largest else 1.0)
        channels.append(torch.round(channel / scales[-1]).to(torch.int8))
    return torch.stack(channels, axis), torch.tensor(scales)

# %% calibrate
def calibrate(batches, bits):
    """Both ends together, then one after the other."""
    x = torch.cat([b.flatten() for b in batches])
    ends = [x.min().item(), x.max().item()]

    def error(lo, hi):
        s, z = affine(lo, hi, bits)
        return (dequantise(quantise(x, s, z, bits), s, z) - x).pow(2).mean().item()

    ends = min(([e * k / 60 for e in ends] for k in range(1, 61)), key=lambda pair: error(*pair))
    for end in (1, 0):
        tried = [[e * k / 30 if i == end else e for i, e in enumerate(ends)] for k in range(15, 46)]
        ends = min([ends, *tried], key=lambda pair: error(*pair))
    return tuple(ends)

# %% integer_linear
def integer_linear(q_x, z_x, q_w, q_b, multiplier, z_y):
    products = q_x.int()[:, None, :] * q_w.int()[None]
    total = products.sum(-1, dtype=torch.int32) - z_x * q_w.int().sum(1, dtype=torch.int32) + q_b
    return (total.double() * multiplier + z_y).round().clamp(0, 255).type(torch.uint8)

# %% fold
def fold(weight, bias, mean, var, gamma, beta, eps):
    """What the pair does to zero is the bias; what it does to each unit input is the weight."""
    def norm(v):
        return nn.functional.batch_norm(v, mean, var, gamma, beta, False, 0.0, eps)

    at_zero = norm((torch.zeros_like(mean) if bias is None else bias)[None])[0]
    deviation = (var + eps) ** 0.5
    return (weight.flatten(1) / deviation[:, None] * gamma[:, None]).view_as(weight), at_zero

# %% prune
def prune(weights, share):
    flat = torch.nn.utils.parameters_to_vector(weights).abs()
    stays = torch.zeros(flat.numel()).bool()
    stays[flat.topk(flat.numel() - round(share * flat.numel())).indices] = True
    out, start = [], 0
    for w in weights:
        out += [stays[start : start + w.numel()].reshape_as(w)]
        start += w.numel()
    return out

# %% pack
def pack(q):
    import json
    import lzma

    return lzma.compress(json.dumps(list(q.shape)).encode() + b"\n" + bytes(q.contiguous().view(torch.uint8).flatten().tolist()))

# %% unpack
def unpack(data):
    import json
    import lzma

    head, _, body = lzma.decompress(data).partition(b"\n")
    return torch.tensor(list(body), dtype=torch.uint8).view(torch.int8).reshape(json.loads(head))
