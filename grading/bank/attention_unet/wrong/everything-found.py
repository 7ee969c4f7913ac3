# /// case
# check = "attention_unet/nodules"
# about = "all hits with certainty"
# ///

# %% match
def match(candidates, findings):
    return [1.0 for _, _, relevant in findings if relevant], []
