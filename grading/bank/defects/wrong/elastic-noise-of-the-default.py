# /// case
# check = "defects/transforms"
# about = "the formula, for noise of standard deviation 1; that of the default has a quarter"
# ///

# %% elastic
def elastic(spread, sigma):
    alpha = spread * 2 * sigma * math.sqrt(math.pi)
    return A.ElasticTransform(alpha=alpha, sigma=sigma, border_mode=cv2.BORDER_REFLECT_101, p=1)
