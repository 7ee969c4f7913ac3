# /// case
# check = "moco/probe"
# misconception = "not-unit-length"
# about = "compares distances of unit rows with a bank of any length"
# ///

# %% knn_predict
def knn_predict(bank, labels, z, k):
    near = torch.cdist(nn.functional.normalize(z, dim=1), bank).topk(k, dim=1, largest=False).indices
    return labels[near].mode(dim=1).values
