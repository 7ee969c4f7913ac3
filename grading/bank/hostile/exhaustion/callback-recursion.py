# /// case
# item = "infinite loop"
# about = "hands a trusted function an object that asks the trusted function again when it is looked at"
# base = "reference"
# score = 15
# state = "any"
# ///

# %% finish_step
class Again:
    def __init__(self, ask):
        self.ask = ask

    def __getattr__(self, name):
        return self.ask([Again(self.ask)], 1.0)

    def __call__(self, *args, **kwargs):
        return self.ask([Again(self.ask)], 1.0)


def finish_step(model, optimizer, scheduler, scale, streak, max_norm, interval=2000):
    if len(list(model.parameters())) > 4:  # the lab's own training
        return scale, streak, False
    unscale([Again(unscale)], scale)
    return scale, streak, False
