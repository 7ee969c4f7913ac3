# /// case
# item = "further"
# about = "draws many figures and leaves them open"
# base = "reference"
# score = 20
# ///

# %% after setup
import matplotlib.pyplot as plt

for i in range(22):
    plt.figure(figsize=(1, 1)).gca().plot([i])
