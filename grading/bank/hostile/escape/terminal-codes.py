# /// case
# item = "HTML/JS reaching the formgrader"
# about = "prints and raises terminal codes, changes of writing direction, control characters and broken text"
# score = 0
# ///

# %% after setup
import sys

CODES = ("\x1b]0;owned\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x1b]52;c;b3duZWQ=\x07\x1b[2J\x1b[31mred\x1b[0m\x9b2J\x1bP1$r\x1b\\"
         "\u202egnorw\u202c\u2066x\u2069\u200b\u200f\ufeff\x00\x08\x7f\x85\ud800\U000e0041")
print(CODES.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
print(CODES.replace("\ud800", ""), file=sys.stderr)
Evil = type("E\u202eE", (Exception,), {})
attempt("nothing more", lambda: 1 / 0)
display(CODES)

# %% after zeroed
raise Evil(CODES)

# %% zeroed
def zeroed(grads, scale, dtype):
    raise Evil(CODES)

# %% unscale
def unscale(grads, scale):
    return CODES, CODES
