# /// case
# check = "defects/report"
# about = "false alarms without 1 - prevalence"
# ///

# %% precision_at
def precision_at(alarm, defective, prevalence):
    recall, false = alarm[defective].double().mean(), alarm[~defective].double().mean()
    right, wrong = prevalence * recall, false
    return (right / (right + wrong)).item()
