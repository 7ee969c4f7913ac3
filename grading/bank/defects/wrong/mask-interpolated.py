# /// case
# check = "defects/transforms"
# misconception = "mask-interpolated"
# about = "the mask is interpolated like the picture"
# ///

# %% elastic
def elastic(spread, sigma):
    alpha = spread * math.sqrt(3) * 2 * sigma * math.sqrt(math.pi)
    return A.ElasticTransform(alpha=alpha, sigma=sigma, noise_distribution="uniform", border_mode=cv2.BORDER_REFLECT_101, mask_interpolation=cv2.INTER_LINEAR, p=1)
