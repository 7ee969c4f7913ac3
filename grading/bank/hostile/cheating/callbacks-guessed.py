# /// case
# item = "call the check early with another function"
# about = "asks for callbacks by number, in the hope that the referee still lends one"
# score = 0
# ///

# %% after setup
import gc

from quintet.student import host, wire

HOST = next(o for o in gc.get_objects() if isinstance(o, host.Host))


def ask(*args):
    for number in (0, 1, 2, 3, -1, -2, True, 1.0, "0", None, [0], slice(None)):
        try:
            reply = HOST.call_back(wire.pack([number, list(args), {}], HOST._keep))
            status, value = wire.unpack(reply, HOST._resolve)
        except Exception:
            continue
        if status == "ok":
            return value

# %% unscale
def unscale(grads, scale):
    return ask(grads, scale)

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    return ask(scale, streak, found_inf, growth, backoff, interval)
