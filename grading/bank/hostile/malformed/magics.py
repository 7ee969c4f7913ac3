# /// case
# item = "further"
# about = "magics that leave Python: a shell, another interpreter, files, the debugger, a restart"
# base = "reference"
# score = 20
# state = "any"
# ///

# %% after setup
%%bash
echo from bash; touch @marker@ 2>/dev/null; true

# %% after zeroed
%pip --version
!touch @marker@

# %% after unscale
%%writefile owned.py
owned = True

# %% after next_scale
%autosave 1
%reset -f out
