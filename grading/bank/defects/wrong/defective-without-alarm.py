# /// case
# check = "defects/report"
# about = "the share of cells without an alarm that are sound"
# ///

# %% precision_at
def precision_at(alarm, defective, prevalence):
    recall, false = alarm[defective].double().mean(), alarm[~defective].double().mean()
    right, wrong = prevalence * recall, (1 - prevalence) * false
    return ((1 - prevalence) * (1 - false) / ((1 - prevalence) * (1 - false) + prevalence * (1 - recall))).item()
