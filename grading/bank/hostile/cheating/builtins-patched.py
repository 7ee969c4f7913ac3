# /// case
# item = "further"
# about = "replaces len, isinstance, getattr, abs and all of the builtins module"
# score = 0
# state = "any"
# ///

# %% after setup
import builtins

builtins.all = builtins.any = lambda items: True
builtins.abs = lambda value: 0
before = builtins.isinstance
builtins.isinstance = lambda thing, kind: True if type(thing) is float else before(thing, kind)
