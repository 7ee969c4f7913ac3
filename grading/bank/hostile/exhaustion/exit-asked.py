# /// case
# item = "os._exit(0)"
# about = "ends the shell by each polite way: exit, quit, SystemExit, KeyboardInterrupt"
# base = "reference"
# score = 20
# state = "any"
# ///

# %% after amp-unscale
exit()

# %% after amp-next_scale
raise SystemExit(0)

# %% after amp-zeroed
raise KeyboardInterrupt
