# /// case
# item = "stdout flood"
# about = "displays 20,000 objects and one of 100 MB"
# base = "reference"
# score = 20
# state = "any"
# ///

# %% after zeroed
from IPython.display import HTML, display

for i in range(20_000):
    display(HTML(f"<b>{i}</b>" * 10))
display({"image/png": "A" * 100_000_000, "text/plain": "x" * 100_000_000}, raw=True)
