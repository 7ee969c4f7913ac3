# /// case
# check = "moco/probe"
# about = "the nearest neighbour decides, whatever k"
# ///

# %% knn_predict
def knn_predict(bank, labels, z, k):
    cosines = nn.functional.normalize(z, dim=1) @ nn.functional.normalize(bank, dim=1).T
    return labels[cosines.argmax(dim=1)]
