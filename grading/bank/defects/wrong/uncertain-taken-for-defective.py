# /// case
# check = "defects/report"
# misconception = "uncertain-binarised"
# about = "whatever is not sure to be sound is defective"
# ///

# %% recall_range
def recall_range(alarm, probability):
    recall = alarm[probability > 0].double().mean().item()
    certain = alarm[probability == 1].double().mean().item()
    return recall, min(recall, certain), max(recall, certain)
