# /// case
# check = "moco/probe"
# about = "gives each neighbour one vote and its cosine"
# ///

# %% knn_predict
def knn_predict(bank, labels, z, k):
    near = (nn.functional.normalize(z, dim=1) @ nn.functional.normalize(bank, dim=1).T).topk(k, dim=1)
    of = labels.unique()
    votes = (1 + near.values)[:, :, None] * (labels[near.indices][:, :, None] == of)
    return of[votes.sum(1).argmax(1)]
