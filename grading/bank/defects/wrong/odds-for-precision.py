# /// case
# check = "defects/report"
# about = "odds in the place of a share"
# ///

# %% precision_at
def precision_at(alarm, defective, prevalence):
    recall, false = alarm[defective].double().mean(), alarm[~defective].double().mean()
    right, wrong = prevalence * recall, (1 - prevalence) * false
    return (right / wrong).item()
