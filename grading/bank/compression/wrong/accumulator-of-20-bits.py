# /// case
check = "compression/integer_linear"
about = "a sum that wraps around at 20 bits"
# ///

# %% integer_linear
def integer_linear(q_x, z_x, q_w, q_b, multiplier, z_y):
    total = (q_x.int() - z_x) @ q_w.int().T + q_b
    total = (total + 2**19) % 2**20 - 2**19
    return (torch.round(total * multiplier) + z_y).clamp(0, 255).to(torch.uint8)
