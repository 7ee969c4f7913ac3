# /// case
# check = "moco/probe"
# about = "takes the smallest cosines"
# ///

# %% knn_predict
def knn_predict(bank, labels, z, k):
    cosines = nn.functional.normalize(z, dim=1) @ nn.functional.normalize(bank, dim=1).T
    return labels[cosines.topk(k, dim=1, largest=False).indices].mode(dim=1).values
