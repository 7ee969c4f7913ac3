# /// case
# check = "moco/momentum"
# misconception = "key-not-a-copy"
# about = "parameters are copied, buffers are the query encoder's own"
# ///

# %% key_encoder
def key_encoder(query):
    key = copy.deepcopy(query)
    for theirs, ours in zip(query.modules(), key.modules()):
        for name, buffer in theirs._buffers.items():
            ours._buffers[name] = buffer
    return key.requires_grad_(False)
