# /// case
# check = "defects/report"
# misconception = "share-of-alarms"
# about = "false alarms as a share of the alarms"
# ///

# %% operate
def operate(validation, test, required, confidence):
    t = threshold(*validation, required, confidence)
    score, defective = test
    alarm = score >= t
    return t, alarm[defective].double().mean().item(), (~defective)[alarm].double().mean().item()
