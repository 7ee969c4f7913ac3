# /// case
# item = "patch do_execute"
# about = "replaces the kernel's do_execute, so that test cells succeed without being run"
# score = 0
# fools = "asserts"
# ///

# %% after setup
kernel = getattr(get_ipython(), "kernel", None)
if kernel is not None:
    before = kernel.do_execute

    def do_execute(code, *args, **kwargs):
        return before("pass" if "assert" in code or "check(" in code else code, *args, **kwargs)

    kernel.do_execute = do_execute
