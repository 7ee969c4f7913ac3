# /// case
# item = "further"
# about = "replaces single operations of its own side: same, isinstance, has, state and value answer as the referee would wish"
# score = 0
# state = "any"
# ///

# %% after setup
from quintet.student import host

host.Host.do_same = host.Host.do_isinstance = host.Host.do_has = lambda self, *args: True
host.Host.do_value = host.Host.do_attr = lambda self, thing, *args: thing
host.Host.do_replace = lambda self, names: []
host.Host.do_restore = lambda self, before: None
host.Host.do_state = lambda self, module: {"weight": torch.zeros(3, 4), "bias": torch.zeros(3)}

# %% finish_step
def finish_step(model, optimizer, scheduler, scale, streak, max_norm, interval=2000):
    return scale, streak + 1, True
