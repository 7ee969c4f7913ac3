# /// case
# check = "defects/transforms"
# about = "same_dxdy=True: all moves lie on the diagonal"
# ///

# %% elastic
def elastic(spread, sigma):
    alpha = spread * math.sqrt(3) * 2 * sigma * math.sqrt(math.pi)
    return A.ElasticTransform(alpha=alpha, sigma=sigma, noise_distribution="uniform", same_dxdy=True, border_mode=cv2.BORDER_REFLECT_101, p=1)
