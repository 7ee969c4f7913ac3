# /// case
# check = "defects/report"
# about = "the recall"
# ///

# %% precision_at
def precision_at(alarm, defective, prevalence):
    recall, false = alarm[defective].double().mean(), alarm[~defective].double().mean()
    right, wrong = prevalence * recall, (1 - prevalence) * false
    return (recall).item()
