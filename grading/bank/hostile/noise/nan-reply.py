# /// case
# item = "NaN or inf reply"
# about = "answers NaN where a number is due: that step's points are lost, no other's"
# base = "reference"
# score = 18
# ///

# %% zeroed
def zeroed(grads, scale, dtype):
    return float("nan")
