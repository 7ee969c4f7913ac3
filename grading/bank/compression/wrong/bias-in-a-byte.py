# /// case
# check = "compression/integer_linear"
# misconception = "bias-in-a-byte"
# about = "the bias is clamped to 8 bits, as weights are"
# ///

# %% quantise_bias
def quantise_bias(bias, s_x, s_w):
    return torch.round(bias / (s_x * s_w)).clamp(-127, 127).to(torch.int32)
