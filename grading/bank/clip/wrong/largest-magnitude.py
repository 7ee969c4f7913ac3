# /// case
# check = "clip/zero_shot"
# about = "signs lost"
# ///

# %% classify
def classify(image, weights):
    return (image @ weights.T).abs().argmax(1)
