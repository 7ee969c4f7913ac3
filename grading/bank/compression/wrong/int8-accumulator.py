# /// case
# check = "compression/integer_linear"
# misconception = "narrow-accumulator"
# about = "the input is made int8, as the weights are, and the sum is int8 too"
# ///

# %% integer_linear
def integer_linear(q_x, z_x, q_w, q_b, multiplier, z_y):
    total = ((q_x.int() - z_x).to(torch.int8) @ q_w.T).int() + q_b
    return (torch.round(total * multiplier) + z_y).clamp(0, 255).to(torch.uint8)
