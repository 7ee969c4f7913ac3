# /// case
# check = "defects/transforms"
# about = "forgets that uniform noise has a standard deviation of 0.58"
# ///

# %% elastic
def elastic(spread, sigma):
    alpha = spread * 2 * sigma * math.sqrt(math.pi)
    return A.ElasticTransform(alpha=alpha, sigma=sigma, noise_distribution="uniform", border_mode=cv2.BORDER_REFLECT_101, p=1)
