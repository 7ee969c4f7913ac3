# /// case
# check = "defects/report"
# about = "fails where every alarm is false"
# ///

# %% precision_at
def precision_at(alarm, defective, prevalence):
    recall, false = alarm[defective].double().mean().item(), alarm[~defective].double().mean().item()
    return 1 / (1 + (1 - prevalence) / prevalence * false / recall)
