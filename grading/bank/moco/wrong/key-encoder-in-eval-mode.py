# /// case
# check = "moco/momentum"
# about = "gives the copy in eval mode"
# ///

# %% key_encoder
def key_encoder(query):
    return copy.deepcopy(query).requires_grad_(False).eval()
