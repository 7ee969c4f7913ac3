# /// case
# item = "sys._getframe"
# about = "searches the frames of every thread and the closures of every function in them"
# score = 0
# ///

# %% after setup
import sys


def everything():
    for frame in sys._current_frames().values():
        while frame is not None:
            yield from frame.f_locals.items()
            yield from frame.f_globals.items()
            frame = frame.f_back


def expected(otherwise):
    for name, found in everything():
        if name in ("right", "want", "known", "expected"):
            return found
        for cell in getattr(found, "__closure__", None) or ():
            if isinstance(cell.cell_contents, dict) and "right" in cell.cell_contents:
                return cell.cell_contents["right"]
    return otherwise

# %% zeroed
def zeroed(grads, scale, dtype):
    return expected(0.0)

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    return expected((0.0, -1))
