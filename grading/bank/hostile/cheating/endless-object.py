# /// case
# item = "further"
# about = "answers with an object that has every attribute, every item, any length and no end"
# score = 0
# ///

# %% after setup
class Endless:
    def __getattr__(self, name):
        return self

    def __call__(self, *args, **kwargs):
        return self

    def __getitem__(self, key):
        return self

    def __len__(self):
        return 2

    def __iter__(self):
        while True:
            yield self

# %% zeroed
def zeroed(grads, scale, dtype):
    return Endless()

# %% unscale
def unscale(grads, scale):
    return Endless()

# %% next_scale
next_scale = Endless()

# %% accumulate
accumulate = Endless()

# %% master_step
def master_step(masters, grads, lr, dtype):
    return [Endless()] * 2, (Endless() for _ in range(2))
