# /// case
# check = "defects/report"
# misconception = "uncertain-all-alike"
# about = "limits: all uncertain sound, all defective"
# ///

# %% recall_range
def recall_range(alarm, probability):
    sound, defective = (alarm[bad].double().mean().item() for bad in (probability == 1, probability > 0))
    return sound, min(sound, defective), max(sound, defective)
