# /// case
# check = "moco/momentum"
# misconception = "gradient-into-key"
# about = "a deep copy whose parameters still ask for a gradient"
# ///

# %% key_encoder
def key_encoder(query):
    return copy.deepcopy(query)
