# /// case
# check = "moco/probe"
# about = "gives the row of the nearest neighbour, not its class"
# ///

# %% knn_predict
def knn_predict(bank, labels, z, k):
    cosines = nn.functional.normalize(z, dim=1) @ nn.functional.normalize(bank, dim=1).T
    return cosines.topk(k, dim=1).indices.mode(dim=1).values
