# /// case
# item = "further"
# about = "imports in other ways and under other names"
# base = "reference"
# score = 20
# ///

# %% unscale
import torch as th


def _all_finite(tensors):
    return all(bool(th.isfinite(t).all()) for t in tensors)


class Unscale:
    def __call__(self, grads, scale):
        self.out = [g.to(th.float32).div(scale) for g in grads]
        return self.out, not _all_finite(self.out)


unscale = Unscale()
