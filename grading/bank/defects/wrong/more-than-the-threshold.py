# /// case
# check = "defects/report"
# about = "an alarm only above the threshold, not at it"
# ///

# %% operate
def operate(validation, test, required, confidence):
    t = threshold(*validation, required, confidence)
    score, defective = test
    alarm = score > t
    return t, alarm[defective].double().mean().item(), alarm[~defective].double().mean().item()
