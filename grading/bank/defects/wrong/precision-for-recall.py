# /// case
# check = "defects/report"
# about = "precision in the place of recall"
# ///

# %% operate
def operate(validation, test, required, confidence):
    t = threshold(*validation, required, confidence)
    score, defective = test
    alarm = score >= t
    return t, defective[alarm].double().mean().item(), alarm[~defective].double().mean().item()
