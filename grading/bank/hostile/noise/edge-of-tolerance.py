# /// case
# item = "an answer at the edge of the tolerance"
# about = "answers that differ from the reference's by rounding: other orders of summing, a last bit more"
# base = "reference"
# score = 20
# ///

# %% zeroed
def zeroed(grads, scale, dtype):
    drowned = torch.tensor([(((g * scale).to(dtype) == 0) & (g != 0)).sum() for g in grads], dtype=torch.float32)
    total = torch.tensor([(g != 0).sum() for g in grads], dtype=torch.float32)
    return (drowned.sum() / total.sum().clamp(min=1) * (1 + 2.0**-24)).item()

# %% unscale
def unscale(grads, scale):
    inverse = 1.0 / scale
    unscaled = [g.float() * inverse * (1 + 2.0**-23) for g in grads]
    return unscaled, not all(torch.isfinite(g).all() for g in grads)

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    scale = scale * (1 + 2.0**-24)
    if found_inf:
        return scale * backoff, 0
    return (scale * growth, 0) if streak + 1 == interval else (scale, streak + 1)
