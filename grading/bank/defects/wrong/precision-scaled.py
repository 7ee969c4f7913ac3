# /// case
# check = "defects/report"
# about = "precision times the ratio of prevalences"
# ///

# %% precision_at
def precision_at(alarm, defective, prevalence):
    recall, false = alarm[defective].double().mean(), alarm[~defective].double().mean()
    right, wrong = prevalence * recall, (1 - prevalence) * false
    return (defective[alarm].double().mean() * prevalence / defective.double().mean()).item()
