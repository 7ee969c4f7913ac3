# /// case
# check = "moco/probe"
# misconception = "not-unit-length"
# about = "nearest by Euclidean distance of vectors as they are"
# ///

# %% knn_predict
def knn_predict(bank, labels, z, k):
    return labels[torch.cdist(z, bank).topk(k, dim=1, largest=False).indices].mode(dim=1).values
