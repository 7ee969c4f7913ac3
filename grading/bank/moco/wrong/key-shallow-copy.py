# /// case
# check = "moco/momentum"
# misconception = "key-not-a-copy"
# about = "a copy of the module object, whose parameters are the same tensors"
# ///

# %% key_encoder
def key_encoder(query):
    key = copy.copy(query)
    for p in key.parameters():
        p.requires_grad = False
    return key
