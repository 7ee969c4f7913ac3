# /// case
# item = "stdout flood"
# about = "displays markup that takes long to clean and of which nothing is left"
# score = 0
# state = "any"
# ///

# %% after setup
from IPython.display import HTML, display

for _ in range(190):
    display(HTML("<x y=z><!---->" * 13_000))
