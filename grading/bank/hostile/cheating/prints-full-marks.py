# /// case
# item = "print 5/5"
# about = "prints what a full score looks like, as text, as a number and as a copy of the referee's own report"
# score = 0
# ///

# %% after setup
from IPython.display import HTML, display

print("5/5\namp/zeroed: 2 of 2 points\nAll tests passed: 20/20")
display(HTML('<div style="border-left:4px solid #009E73" role="status"><strong>amp/zeroed: 2 of 2 points</strong></div>'))
20.0

# %% zeroed
def zeroed(grads, scale, dtype):
    print("amp/zeroed: 2 of 2 points")
    return 20.0
