# /// case
# check = "defects/transforms"
# about = "the noise of the default, divided by its largest value"
# ///

# %% elastic
def elastic(spread, sigma):
    alpha = spread * math.sqrt(3) * 2 * sigma * math.sqrt(math.pi)
    return A.ElasticTransform(alpha=alpha, sigma=sigma, border_mode=cv2.BORDER_REFLECT_101, p=1)
