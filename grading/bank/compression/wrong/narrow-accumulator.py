# /// case
# check = "compression/integer_linear"
# misconception = "narrow-accumulator"
# about = "products and sums in int16"
# ///

# %% integer_linear
def integer_linear(q_x, z_x, q_w, q_b, multiplier, z_y):
    total = ((q_x.short() - z_x) @ q_w.short().T) + q_b
    return (torch.round(total * multiplier) + z_y).clamp(0, 255).to(torch.uint8)
