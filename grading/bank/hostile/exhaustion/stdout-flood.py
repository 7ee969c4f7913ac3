# /// case
# item = "stdout flood"
# about = "prints 400 MB in lines, in one line and without a line's end"
# base = "reference"
# score = 20
# state = "any"
# ///

# %% after zeroed
for _ in range(200):
    print("x" * 1_000_000)
print("y" * 100_000_000)
for _ in range(100_000):
    print("z" * 1000, end="")
