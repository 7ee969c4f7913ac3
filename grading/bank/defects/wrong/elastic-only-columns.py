# /// case
# check = "defects/transforms"
# about = "moves along rows only, by more"
# ///

# %% elastic
def elastic(spread, sigma):
    rng = np.random.default_rng()

    def t(image, mask):
        d = cv2.GaussianBlur(rng.standard_normal(image.shape), (0, 0), sigma) * 2 * sigma * math.sqrt(math.pi) * spread
        y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
        to = (x + d * math.sqrt(2)).astype(np.float32), y
        return {k: cv2.remap(v, *to, how, borderMode=cv2.BORDER_REFLECT_101) for k, v, how in (("image", image, 1), ("mask", mask, 0))}

    return t
