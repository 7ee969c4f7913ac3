# /// case
# item = "further"
# about = "leaves threads computing in the background"
# base = "reference"
# score = 20
# ///

# %% after setup
import threading
import time


def compute():
    for _ in range(2000):
        torch.rand(8, 8).sum()
        time.sleep(0.05)


for _ in range(2):
    threading.Thread(target=compute, daemon=True).start()
