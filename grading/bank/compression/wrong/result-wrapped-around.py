# /// case
# check = "compression/integer_linear"
# misconception = "wrapped-around"
# about = "the result is cast to a byte without clamping"
# ///

# %% integer_linear
def integer_linear(q_x, z_x, q_w, q_b, multiplier, z_y):
    total = (q_x.int() - z_x) @ q_w.int().T + q_b
    return (torch.round(total * multiplier) + z_y).int().to(torch.uint8)
