# /// case
# item = "stdout flood"
# about = "displays styles, entities, addresses and comments that are hard to parse"
# score = 0
# ///

# %% after setup
from IPython.display import HTML, display

for text in ("(" * 50_000, "a:" * 50_000, "/*" * 50_000, "\\\\" * 50_000, "color:" + "calc(" * 20_000, "'" * 50_000 + "{[(" * 10_000):
    display(HTML(f'<b style="{text}">x</b>'))
display(HTML("&" * 90_000), HTML("&#x" * 60_000), HTML("<" * 90_000), HTML("<!--" * 40_000), HTML("http://" * 25_000), HTML("<b " + "a=1 " * 40_000))
