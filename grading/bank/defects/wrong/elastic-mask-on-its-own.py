# /// case
# check = "defects/transforms"
# about = "bends picture and mask in two calls, so each in its own way"
# ///

# %% elastic
def bend(spread, sigma):
    alpha = spread * math.sqrt(3) * 2 * sigma * math.sqrt(math.pi)
    return A.ElasticTransform(alpha=alpha, sigma=sigma, noise_distribution="uniform", border_mode=cv2.BORDER_REFLECT_101, p=1)


def elastic(spread, sigma):
    t = bend(spread, sigma)
    return lambda image, mask: {"image": t(image=image)["image"], "mask": t(image=mask, mask=mask)["mask"]}
