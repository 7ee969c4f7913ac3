# /// case
# item = "stdout flood"
# about = "displays a picture whose text takes a regular expression quadratic time to refuse"
# score = 0
# ///

# %% after setup
from IPython.display import display

display({"image/png": " " * 190_000 + "!"}, raw=True)
display({"image/png": "A" * 95_000 + "\n" * 95_000 + "="  * 3}, raw=True)
