# /// case
# check = "moco/momentum"
# about = "a key encoder with weights of its own"
# ///

# %% key_encoder
def key_encoder(query):
    key = copy.deepcopy(query).requires_grad_(False)
    for part in key.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    return key
