# /// case
# item = "further"
# about = "replaces print and the standard streams"
# base = "reference"
# score = 20
# ///

# %% after setup
import builtins
import io
import sys

builtins.print = lambda *args, **kwargs: None
sys.stderr = None
sys.stdout = io.StringIO()
