# /// case
check = "compression/integer_linear"
about = "the bias passes through 16 bits"
# ///

# %% quantise_bias
def quantise_bias(bias, s_x, s_w):
    return torch.round(bias.double() / (s_x * s_w.double())).to(torch.int16).int()
