# /// case
# check = "moco/probe"
# misconception = "not-unit-length"
# about = "nearest by the product of vectors as they are"
# ///

# %% knn_predict
def knn_predict(bank, labels, z, k):
    return labels[(z @ bank.T).topk(k, dim=1).indices].mode(dim=1).values
