# /// case
# check = "clip/zero_shot"
# about = "argmax along the wrong axis"
# ///

# %% classify
def classify(image, weights):
    return (image @ weights.T).argmax(0)
