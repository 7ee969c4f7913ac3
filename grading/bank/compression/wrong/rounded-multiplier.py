# /// case
check = "compression/integer_linear"
about = "the multiplier made an integer: nothing is left of it"
# ///

# %% integer_linear
def integer_linear(q_x, z_x, q_w, q_b, multiplier, z_y):
    total = (q_x.int() - z_x) @ q_w.int().T + q_b
    return (total * multiplier.int() + z_y).clamp(0, 255).to(torch.uint8)
