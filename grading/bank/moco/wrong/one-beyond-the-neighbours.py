# /// case
# check = "moco/probe"
# about = "asks for one neighbour more than k, which a bank of k does not have"
# ///

# %% knn_predict
def knn_predict(bank, labels, z, k):
    cosines = nn.functional.normalize(z, dim=1) @ nn.functional.normalize(bank, dim=1).T
    least = cosines.topk(k + 1, dim=1).values[:, -1:]
    of = labels.unique()
    votes = (cosines > least).long() @ (labels[:, None] == of).long()
    return of[votes.argmax(1)]
