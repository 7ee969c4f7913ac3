# /// case
# check = "moco/probe"
# about = "near neighbours count for more, as in the lecture's probe"
# ///

# %% knn_predict
def knn_predict(bank, labels, z, k):
    cosines, nearest = (nn.functional.normalize(z) @ nn.functional.normalize(bank).T).topk(k)
    names = labels.unique()
    votes = (cosines / 0.07).exp()[:, :, None] * (labels[nearest][:, :, None] == names)
    return names[votes.sum(dim=1).argmax(dim=1)]
