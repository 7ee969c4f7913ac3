# /// case
check = "compression/integer_linear"
misconception = "bias-in-another-scale"
about = "the bias gets a scale of its own, of its largest magnitude"
# ///

# %% quantise_bias
def quantise_bias(bias, s_x, s_w):
    own = bias.abs().max() / 127
    return torch.round(bias / own).to(torch.int32)
