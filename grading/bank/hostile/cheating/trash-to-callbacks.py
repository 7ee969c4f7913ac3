# /// case
# item = "further"
# about = "hands trash to the trusted functions that finish_step is lent"
# score = 0
# ///

# %% finish_step
class Trash:
    def __getattr__(self, name):
        return self

    def __call__(self, *args, **kwargs):
        return self


def finish_step(model, optimizer, scheduler, scale, streak, max_norm, interval=2000):
    for args in ([], [None, None], [Trash(), Trash()], [[Trash()] * 1000, 1.0], [[torch.zeros(2)], "x" * 1_000_000],
                 [[torch.zeros(0)], 10**300], [{}, float("nan")], [[torch.zeros(1, dtype=torch.bool)], 0.0]):
        for function in (unscale, next_scale):
            try:
                function(*args)
            except Exception:
                pass
    return scale, streak + 1, True
