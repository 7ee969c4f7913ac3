# /// case
# item = "further"
# about = "replaces every random generator by one whose numbers are known, before any input is drawn"
# score = 0
# ///

# %% after setup
import numpy as np

np.random.default_rng = lambda *args, **kwargs: None

torch.randn = torch.rand = lambda *size, **kwargs: torch.ones(*size)

# %% unscale
def unscale(grads, scale):
    return [torch.ones_like(g, dtype=torch.float32) / scale for g in grads], False
