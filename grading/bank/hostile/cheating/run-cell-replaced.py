# /// case
# item = "replace run_cell_async"
# about = "replaces the shell's way to run a cell, so that test cells run as `pass`"
# score = 0
# fools = "asserts"
# ///

# %% after setup
kind = type(get_ipython())
for name in ("run_cell_async", "run_cell"):
    def replaced(self, source, *args, _before=getattr(kind, name), **kwargs):
        return _before(self, "pass" if "assert" in source or "check(" in source else source, *args, **kwargs)

    setattr(kind, name, replaced)
