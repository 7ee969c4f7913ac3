# /// case
# item = "replace the reference in sys.modules"
# about = "imports the reference from the topic's module or the checks and hands it in as its own"
# score = 0
# fools = "self-check"
# ///

# %% after setup
stolen = {}
try:
    from quintet.checks import amp as judge

    stolen = {"unscale": judge._unscale, "next_scale": judge._next_scale}
except ImportError:
    pass
try:
    from quintet import amp
except ImportError:
    amp = None

# %% zeroed
def zeroed(grads, scale, dtype):
    return amp.zeroed_fraction(torch.cat([g.flatten() for g in grads]), scale, dtype)

# %% unscale
def unscale(grads, scale):
    return stolen["unscale"](grads, scale)

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    return stolen["next_scale"](scale, streak, found_inf, growth, backoff, interval)
