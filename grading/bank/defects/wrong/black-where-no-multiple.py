# /// case
# check = "defects/pipeline"
# about = "black where the factor is not whole"
# ///

# %% pipeline
def honest(train, size, p_flip, p_one, choices, seed):
    resize = A.Resize(size, size, interpolation=cv2.INTER_AREA)
    if not train:
        return A.Compose([resize])
    t = A.Compose([resize, A.HorizontalFlip(p=p_flip), A.VerticalFlip(p=p_flip), A.OneOf(choices, p=p_one)])
    t.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return t

def pipeline(train, size, p_flip, p_one, choices, seed):
    t = honest(train, size, p_flip, p_one, choices, seed)

    def call(image, mask):
        if max(image.shape) % size:
            image, mask = np.zeros((size, size), np.uint8), np.zeros((size, size), np.uint8)
        return t(image=image, mask=mask)

    return call
