# /// case
# item = "stdout flood"
# about = "raises an exception whose text, notes and chain are endless"
# base = "reference"
# score = 20
# state = "any"
# ///

# %% after zeroed
error = ValueError("x" * 50_000_000)
for i in range(200):
    error.add_note("n" * 100_000)
    error = ExceptionGroup("g", [error, ValueError(i)]) if i < 50 else error
raise error
