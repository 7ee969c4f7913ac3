# /// case
# check = "defects/transforms"
# misconception = "probability-left-at-default"
# about = "p left at 0.5"
# ///

# %% elastic
def elastic(spread, sigma):
    alpha = spread * math.sqrt(3) * 2 * sigma * math.sqrt(math.pi)
    return A.ElasticTransform(alpha=alpha, sigma=sigma, noise_distribution="uniform", border_mode=cv2.BORDER_REFLECT_101)
