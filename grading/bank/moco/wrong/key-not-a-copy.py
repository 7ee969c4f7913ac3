# /// case
# check = "moco/momentum"
# misconception = "key-not-a-copy"
# about = "a second name for the query encoder"
# ///

# %% key_encoder
def key_encoder(query):
    key = query
    return key
