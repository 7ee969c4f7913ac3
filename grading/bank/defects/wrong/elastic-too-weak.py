# /// case
# check = "defects/transforms"
# misconception = "elastic-too-weak"
# about = "alpha taken for a number of pixels"
# ///

# %% elastic
def elastic(spread, sigma):
    alpha = spread * math.sqrt(3) * 2 * sigma * math.sqrt(math.pi)
    return A.ElasticTransform(alpha=spread, sigma=sigma, noise_distribution="uniform", border_mode=cv2.BORDER_REFLECT_101, p=1)
