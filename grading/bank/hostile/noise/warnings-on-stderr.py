# /// case
# item = "warnings on stderr"
# about = "warns, logs and writes to stderr in cells and inside its steps"
# base = "reference"
# score = 20
# ///

# %% after setup
import logging
import sys
import warnings

logging.basicConfig(level=logging.DEBUG)
logging.warning("careful")
warnings.warn("careful")
print("careful", file=sys.stderr)

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    warnings.warn("deprecated", DeprecationWarning)
    logging.error("careful")
    print("careful", file=sys.stderr)
    if found_inf:
        return scale * backoff, 0
    return (scale * growth, 0) if streak + 1 == interval else (scale, streak + 1)
