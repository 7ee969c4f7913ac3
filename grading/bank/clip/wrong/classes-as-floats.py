# /// case
# check = "clip/zero_shot"
# about = "a float"
# ///

# %% classify
def classify(image, weights):
    return (image @ weights.T).argmax(1).float()
