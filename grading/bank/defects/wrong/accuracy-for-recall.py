# /// case
# check = "defects/report"
# about = "accuracy in the place of recall"
# ///

# %% operate
def operate(validation, test, required, confidence):
    t = threshold(*validation, required, confidence)
    score, defective = test
    alarm = score >= t
    return t, (alarm == defective).double().mean().item(), alarm[~defective].double().mean().item()
