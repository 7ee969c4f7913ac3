# /// case
# item = "pickle reply"
# about = "answers with pickles, objects that pickle as a command, and saved tensors that hold one"
# score = 0
# ///

# %% after setup
import io
import os
import pickle

import numpy as np


class Bomb:
    def __reduce__(self):
        return os.system, ("touch @marker@",)

# %% zeroed
def zeroed(grads, scale, dtype):
    return Bomb()

# %% unscale
def unscale(grads, scale):
    saved = io.BytesIO()
    torch.save(Bomb(), saved)
    return [pickle.dumps(Bomb()), saved.getvalue()], Bomb()

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    return np.array([Bomb(), Bomb()], dtype=object)

# %% master_step
def master_step(masters, grads, lr, dtype):
    return {"__reduce__": "os.system", "T": ["object", [1], 0], "py/reduce": ["os.system", "touch @marker@"]}
