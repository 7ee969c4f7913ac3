# /// case
# item = "call the check early with another function"
# about = "calls the check while a stolen function bears the asked name, then takes it away"
# score = 0
# ///

# %% before amp-unscale
from quintet import check

try:
    from quintet.checks.amp import _unscale as unscale
except ImportError:
    unscale = lambda grads, scale: ([g.float() / scale for g in grads], not all(g.isfinite().all() for g in grads))
check("amp/unscale")
del unscale
