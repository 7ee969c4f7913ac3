# /// case
# check = "defects/transforms"
# misconception = "same-draw-each-time"
# about = "one field of displacements for all calls"
# ///

# %% elastic
def bend(spread, sigma):
    alpha = spread * math.sqrt(3) * 2 * sigma * math.sqrt(math.pi)
    return A.ElasticTransform(alpha=alpha, sigma=sigma, noise_distribution="uniform", border_mode=cv2.BORDER_REFLECT_101, p=1)


def elastic(spread, sigma):
    t = bend(spread, sigma)

    def anew(image, mask):
        t.set_random_seed(0)
        return t(image=image, mask=mask)

    return anew
