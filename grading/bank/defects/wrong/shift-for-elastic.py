# /// case
# check = "defects/transforms"
# about = "moves all pixels by the same random amount"
# ///

# %% elastic
def elastic(spread, sigma):
    rng = np.random.default_rng()

    def t(image, mask):
        m = np.float32([[1, 0, spread * rng.standard_normal()], [0, 1, spread * rng.standard_normal()]])
        size = image.shape[::-1]
        return {
            "image": cv2.warpAffine(image, m, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101),
            "mask": cv2.warpAffine(mask, m, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101),
        }

    return t
