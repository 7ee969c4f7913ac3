# /// case
# check = "defects/transforms"
# about = "sigma guessed from the spread"
# ///

# %% elastic
def elastic(spread, sigma):
    alpha = spread * math.sqrt(3) * 2 * (spread + 1) * math.sqrt(math.pi)
    return A.ElasticTransform(alpha=alpha, sigma=spread + 1, noise_distribution="uniform", border_mode=cv2.BORDER_REFLECT_101, p=1)
