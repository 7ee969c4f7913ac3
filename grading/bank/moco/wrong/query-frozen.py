# /// case
# check = "moco/momentum"
# about = "freezes the query encoder before it is copied"
# ///

# %% key_encoder
def key_encoder(query):
    return copy.deepcopy(query.requires_grad_(False))
