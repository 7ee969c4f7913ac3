# /// case
# check = "moco/probe"
# about = "drops the only dimension where there is one row"
# ///

# %% knn_predict
def knn_predict(bank, labels, z, k):
    near = (nn.functional.normalize(z, dim=1) @ nn.functional.normalize(bank, dim=1).T).topk(k, dim=1)
    return labels[near.indices].mode(dim=1).values.squeeze()
