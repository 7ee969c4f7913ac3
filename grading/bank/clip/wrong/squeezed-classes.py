# /// case
# check = "clip/zero_shot"
# about = "drops the only dimension where there is one picture"
# ///

# %% classify
def classify(image, weights):
    return (image @ weights.T).topk(1).indices.squeeze()
