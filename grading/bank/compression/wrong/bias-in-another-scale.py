# /// case
# check = "compression/integer_linear"
# misconception = "bias-in-another-scale"
# about = "the bias in units of the weights, without the input"
# ///

# %% quantise_bias
def quantise_bias(bias, s_x, s_w):
    return torch.round(bias / s_w).to(torch.int32)
