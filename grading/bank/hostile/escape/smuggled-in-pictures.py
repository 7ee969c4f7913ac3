# /// case
# item = "hidden inputs smuggled out"
# about = "draws the hidden inputs into a picture after the checks"
# score = 0
# never = ["image/png", "<img"]
# ///

# %% after setup
SEEN = []

# %% unscale
def unscale(grads, scale):
    SEEN.append(scale)
    return grads, False

# %% after amp-unscale
import matplotlib.pyplot as plt

plt.text(0, 0, str(SEEN))
plt.show()
