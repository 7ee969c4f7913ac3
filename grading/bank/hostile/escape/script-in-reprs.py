# /// case
# item = "HTML/JS reaching the formgrader"
# about = "answers, raises and shows objects whose class names, texts and rich representations are scripts"
# score = 0
# state = "graded"
# ///

# %% after setup
EVIL = '<script>alert("owned")</script><img src=x onerror="alert(1)">'


class Shown:
    def __repr__(self):
        return EVIL

    _repr_html_ = _repr_markdown_ = _repr_latex_ = _repr_javascript_ = _repr_svg_ = __repr__


Evil = type("</pre><script>alert(1)</script><b onclick=alert(1)>" + "x" * 200, (Exception,), {"__repr__": Shown.__repr__, "__str__": Shown.__repr__})
attempt("nothing more", lambda: 1 / 0)
display(Shown())
Shown()

# %% after zeroed
raise Evil(EVIL)

# %% zeroed
def zeroed(grads, scale, dtype):
    raise Evil(EVIL)

# %% unscale
def unscale(grads, scale):
    return Evil(EVIL)

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    return {EVIL: EVIL}
