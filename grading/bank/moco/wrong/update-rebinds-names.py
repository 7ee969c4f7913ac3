# /// case
# check = "moco/momentum"
# about = "computes the averages and gives them to nobody"
# ///

# %% momentum_update
def momentum_update(query, key, m):
    for theta_q, theta_k in zip(query.parameters(), key.parameters()):
        theta_k = m * theta_k + (1 - m) * theta_q
