# /// case
# check = "defects/transforms"
# misconception = "image-without-mask"
# about = "moves the picture, hands the mask back as it was"
# ///

# %% elastic
def bend(spread, sigma):
    alpha = spread * math.sqrt(3) * 2 * sigma * math.sqrt(math.pi)
    return A.ElasticTransform(alpha=alpha, sigma=sigma, noise_distribution="uniform", border_mode=cv2.BORDER_REFLECT_101, p=1)


def elastic(spread, sigma):
    t = bend(spread, sigma)
    return lambda image, mask: {"image": t(image=image)["image"], "mask": mask}
