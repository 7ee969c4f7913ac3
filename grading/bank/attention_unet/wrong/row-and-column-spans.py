# /// case
# check = "attention_unet/outline"
# about = "between outline pixels along the row and along the column"
# ///

# %% inside
def inside(outline, shape):
    drawn = np.zeros(shape, bool)
    drawn[outline[:, 1], outline[:, 0]] = True
    a = lambda m, ax: np.logical_or.accumulate(m, ax)
    f = lambda m, ax: np.flip(a(np.flip(m, ax), ax), ax)
    return a(drawn, 0) & f(drawn, 0) & a(drawn, 1) & f(drawn, 1) & ~drawn
