# /// case
# check = "defects/transforms"
# about = "2.5 pixels, smoothed over 3, whatever is asked for"
# ///

# %% elastic
def elastic(spread, sigma):
    spread, sigma = 2.5, 3
    alpha = spread * math.sqrt(3) * 2 * sigma * math.sqrt(math.pi)
    return A.ElasticTransform(alpha=alpha, sigma=sigma, noise_distribution="uniform", border_mode=cv2.BORDER_REFLECT_101, p=1)
