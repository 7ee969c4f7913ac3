# /// case
# check = "defects/report"
# about = "limits without the uncertain cells"
# ///

# %% recall_range
def recall_range(alarm, probability):
    recall = alarm[probability == 1].double().mean().item()
    return recall, recall, recall
