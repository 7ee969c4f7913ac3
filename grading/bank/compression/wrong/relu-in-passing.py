# /// case
check = "compression/integer_linear"
about = "results below the zero point are cut off"
# ///

# %% integer_linear
def integer_linear(q_x, z_x, q_w, q_b, multiplier, z_y):
    total = (q_x.int() - z_x) @ q_w.int().T + q_b
    return (torch.round(total * multiplier) + z_y).clamp(z_y, 255).to(torch.uint8)
