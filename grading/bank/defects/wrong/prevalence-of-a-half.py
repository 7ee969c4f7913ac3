# /// case
# check = "defects/report"
# misconception = "precision-of-the-sample"
# about = "as if half of the cells were defective"
# ///

# %% precision_at
def precision_at(alarm, defective, prevalence):
    recall, false = alarm[defective].double().mean(), alarm[~defective].double().mean()
    right, wrong = 0.5 * recall, 0.5 * false
    return (right / (right + wrong)).item()
