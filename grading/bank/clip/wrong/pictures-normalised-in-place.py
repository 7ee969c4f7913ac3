# /// case
# check = "clip/zero_shot"
# about = "the caller's pictures change"
# ///

# %% classify
def classify(image, weights):
    image /= image.norm(dim=1, keepdim=True)
    return (image @ weights.T).argmax(1)
