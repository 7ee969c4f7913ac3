# /// case
check = "compression/quantise"
about = "computed in the caller's tensor"
# ///

# %% quantise
def quantise(x, scale, zero_point, bits):
    return x.div_(scale).round_().add_(zero_point).clamp_(0, 2**bits - 1).to(torch.uint8)
