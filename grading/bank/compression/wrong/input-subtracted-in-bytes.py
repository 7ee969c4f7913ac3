# /// case
# check = "compression/integer_linear"
# misconception = "subtracted-in-bytes"
# about = "q_x - z_x wraps around before it is converted"
# ///

# %% integer_linear
def integer_linear(q_x, z_x, q_w, q_b, multiplier, z_y):
    total = (q_x - z_x).int() @ q_w.int().T + q_b
    return (torch.round(total * multiplier) + z_y).clamp(0, 255).to(torch.uint8)
