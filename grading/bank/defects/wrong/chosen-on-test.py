# /// case
# check = "defects/report"
# misconception = "chosen-on-test"
# about = "the threshold comes from the test"
# ///

# %% operate
def operate(validation, test, required, confidence):
    t = threshold(*test, required, confidence)
    score, defective = test
    alarm = score >= t
    return t, alarm[defective].double().mean().item(), alarm[~defective].double().mean().item()
