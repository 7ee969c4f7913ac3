# /// case
# item = "further"
# about = "changes the working directory, and removes the one that it was in"
# base = "reference"
# score = 20
# ///

# %% after setup
import os
import tempfile

folder = tempfile.mkdtemp()
os.chdir(folder)
os.rmdir(folder)
