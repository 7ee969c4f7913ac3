# /// case
# check = "defects/report"
# misconception = "uncertain-binarised"
# about = "cuts P at a half"
# ///

# %% recall_range
def recall_range(alarm, probability):
    recall = alarm[probability > 0.5].double().mean().item()
    return recall, recall, recall
