# /// case
# item = "stdout flood"
# about = "displays markup that is nested deeper than its reader can follow"
# score = 0
# ///

# %% after setup
from IPython.display import HTML, display

display(HTML("<div>" * 30_000), HTML("<b><i>" * 10_000 + "</b>" * 10_000), HTML("<table><tr><td>" * 5_000), HTML("<ul><li>" * 10_000))
