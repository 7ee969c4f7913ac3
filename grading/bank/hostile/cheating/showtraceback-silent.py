# /// case
# item = "patch showtraceback"
# about = "replaces the functions that report an exception by silent ones"
# score = 0
# fools = "asserts"
# ///

# %% after setup
shell = get_ipython()
for name in ("showtraceback", "_showtraceback", "showsyntaxerror"):
    setattr(shell, name, lambda *args, **kwargs: None)
shell.set_custom_exc((Exception,), lambda *args, **kwargs: None)
