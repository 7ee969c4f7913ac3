# /// case
# check = "defects/transforms"
# about = "the noise of the default, with a constant that fits 128 x 128 only"
# ///

# %% elastic
def elastic(spread, sigma):
    alpha = 4 * spread * 2 * sigma * math.sqrt(math.pi)
    return A.ElasticTransform(alpha=alpha, sigma=sigma, border_mode=cv2.BORDER_REFLECT_101, p=1)
