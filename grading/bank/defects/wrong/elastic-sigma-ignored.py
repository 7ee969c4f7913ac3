# /// case
# check = "defects/transforms"
# about = "smooths with another sigma, and moves by as much as asked for"
# ///

# %% elastic
def elastic(spread, sigma):
    sigma = 1.0
    alpha = spread * math.sqrt(3) * 2 * sigma * math.sqrt(math.pi)
    return A.ElasticTransform(alpha=alpha, sigma=sigma, noise_distribution="uniform", border_mode=cv2.BORDER_REFLECT_101, p=1)
