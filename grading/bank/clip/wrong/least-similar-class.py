# /// case
# check = "clip/zero_shot"
# about = "the least similar one"
# ///

# %% classify
def classify(image, weights):
    return (image @ weights.T).argmin(1)
