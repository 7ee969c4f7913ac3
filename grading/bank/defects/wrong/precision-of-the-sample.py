# /// case
# check = "defects/report"
# misconception = "precision-of-the-sample"
# about = "the share of alarms that are right here"
# ///

# %% precision_at
def precision_at(alarm, defective, prevalence):
    recall, false = alarm[defective].double().mean(), alarm[~defective].double().mean()
    right, wrong = prevalence * recall, (1 - prevalence) * false
    return defective[alarm].double().mean().item()
