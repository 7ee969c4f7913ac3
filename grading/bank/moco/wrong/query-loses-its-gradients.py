# /// case
# check = "moco/momentum"
# about = "clears the query encoder's gradients before it is copied"
# ///

# %% key_encoder
def key_encoder(query):
    query.zero_grad()
    return copy.deepcopy(query).requires_grad_(False)
