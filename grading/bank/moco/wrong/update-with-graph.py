# /// case
# check = "moco/momentum"
# misconception = "gradient-into-key"
# about = "the update is recorded: the key encoder's parameters become results of the query encoder's"
# ///

# %% momentum_update
def momentum_update(query, key, m):
    for theta_q, theta_k in zip(query.parameters(), key.parameters()):
        theta_k.mul_(m).add_((1 - m) * theta_q)
