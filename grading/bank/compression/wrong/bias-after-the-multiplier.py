# /// case
check = "compression/integer_linear"
about = "the bias joins after the sum has been rescaled"
# ///

# %% integer_linear
def integer_linear(q_x, z_x, q_w, q_b, multiplier, z_y):
    total = (q_x.int() - z_x) @ q_w.int().T
    return (torch.round(total * multiplier) + q_b + z_y).clamp(0, 255).to(torch.uint8)
