# /// case
# item = "stdout flood"
# about = "displays pictures as large as one may be, again and again"
# score = 0
# ///

# %% after setup
from IPython.display import display

for _ in range(100):
    display({"image/png": "A" * 190_000}, raw=True)
