# /// case
# item = "tqdm"
# about = "shows progress bars in cells and inside its steps"
# base = "reference"
# score = 20
# ///

# %% after setup
from tqdm import tqdm as plain_tqdm

for _ in tqdm(range(50)):
    pass
for _ in plain_tqdm(range(50)):
    pass

# %% zeroed
def zeroed(grads, scale, dtype):
    drowned = total = 0
    for g in plain_tqdm(tqdm(grads)):
        g = g[g != 0]
        drowned += int(((g * scale).to(dtype) == 0).sum())
        total += g.numel()
    return drowned / total if total else 0.0
