# /// case
# check = "defects/transforms"
# about = "fills the edges with black"
# ///

# %% elastic
def elastic(spread, sigma):
    alpha = spread * math.sqrt(3) * 2 * sigma * math.sqrt(math.pi)
    return A.ElasticTransform(alpha=alpha, sigma=sigma, noise_distribution="uniform", p=1)
