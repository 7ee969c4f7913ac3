# /// case
about = "generators for lists and pairs, numpy arrays for tensors, a library's quantiser, another coder"
# ///

# %% affine
def affine(lo, hi, bits):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = np.float64(hi - lo) / (2**bits - 1) if hi > lo else 1.0
    yield scale
    yield np.rint(-lo / scale)

# %% quantise
def quantise(x, scale, zero_point, bits):
    return np.clip(np.rint(x.numpy() / scale) + zero_point, 0, 2**bits - 1).astype(np.uint8)

# %% dequantise
def dequantise(q, scale, zero_point):
    scale = torch.tensor(scale)
    return q * scale - zero_point * scale

# %% per_channel
def per_channel(weight, axis):
    others = [d for d in range(weight.dim()) if d != axis]
    shape = [-1 if d == axis else 1 for d in range(weight.dim())]
    scale = weight.abs().amax(others).div(127).clamp(min=1e-8)
    yield torch.round(weight / scale.view(shape)).to(torch.int8).numpy()
    yield scale.numpy()

# %% calibrate
def calibrate(batches, bits):
    x = torch.cat([b.flatten() for b in batches])

    def error(share):
        scale, zero_point = affine(share * x.min(), share * x.max(), bits)
        return (dequantise(quantise(x, scale, zero_point, bits), scale, zero_point) - x).square().mean()

    share = min(np.arange(0.02, 1.01, 0.02).tolist(), key=error)
    return (share * end for end in (x.min(), x.max()))

# %% quantise_bias
def quantise_bias(bias, s_x, s_w):
    return np.rint(bias.double().numpy() / (s_x * s_w.double().numpy())).astype(np.int32)

# %% integer_linear
def integer_linear(q_x, z_x, q_w, q_b, multiplier, z_y):
    total = (q_x.numpy().astype(np.int64) - z_x) @ q_w.numpy().T.astype(np.int64) + q_b.numpy()
    return np.clip(np.rint(total * multiplier.numpy()) + z_y, 0, 255).astype(np.uint8)

# %% fold
def fold(weight, bias, mean, var, gamma, beta, eps):
    layer = nn.utils.fusion.fuse_conv_bn_weights if weight.dim() > 2 else nn.utils.fusion.fuse_linear_bn_weights
    bias = torch.zeros_like(mean) if bias is None else bias
    fused = layer(weight, bias, mean, var, eps, gamma, beta)
    return (p.detach().numpy() for p in fused)

# %% prune
def prune(weights, share):
    magnitudes = torch.cat([w.abs().flatten() for w in weights])
    go = round(share * len(magnitudes))
    stays = np.ones(len(magnitudes), bool)
    stays[np.argsort(magnitudes.numpy())[:go]] = False
    at = 0
    for w in weights:
        yield stays[at : at + w.numel()].reshape(w.shape)
        at += w.numel()

# %% pack
def pack(q):
    import io

    buffer = io.BytesIO()
    np.savez_compressed(buffer, q=q.numpy())
    return buffer.getvalue()

# %% unpack
def unpack(data):
    import io

    return torch.from_numpy(np.load(io.BytesIO(data))["q"])
