# /// case
# check = "defects/report"
# about = "rates of validation"
# ///

# %% operate
def operate(validation, test, required, confidence):
    t = threshold(*validation, required, confidence)
    score, defective = validation
    alarm = score >= t
    return t, alarm[defective].double().mean().item(), alarm[~defective].double().mean().item()
