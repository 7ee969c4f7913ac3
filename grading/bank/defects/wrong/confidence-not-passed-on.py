# /// case
# check = "defects/report"
# about = "requires what confidence says"
# ///

# %% operate
def operate(validation, test, required, confidence):
    t = threshold(*validation, confidence, required)
    score, defective = test
    alarm = score >= t
    return t, alarm[defective].double().mean().item(), alarm[~defective].double().mean().item()
