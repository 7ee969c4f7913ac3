# /// case
# check = "moco/probe"
# about = "the median of the neighbours' classes"
# ///

# %% knn_predict
def knn_predict(bank, labels, z, k):
    cosines = nn.functional.normalize(z, dim=1) @ nn.functional.normalize(bank, dim=1).T
    return labels[cosines.topk(k, dim=1).indices].median(dim=1).values
