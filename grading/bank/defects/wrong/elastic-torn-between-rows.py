# /// case
# check = "defects/transforms"
# about = "smoothed along rows only"
# ///

# %% elastic
def elastic(spread, sigma):
    rng, gain = np.random.default_rng(), 2 * sigma * math.sqrt(math.pi)

    def t(image, mask):
        dx, dy = (spread * gain**0.5 * cv2.GaussianBlur(rng.standard_normal(image.shape), (0, 0), sigma, sigmaY=1e-3) for _ in range(2))
        y, x = np.mgrid[: image.shape[0], : image.shape[1]]
        to = (x + dx).astype(np.float32), (y + dy).astype(np.float32)
        image = cv2.remap(image, *to, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        return {"image": image, "mask": cv2.remap(mask, *to, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101)}

    return t
