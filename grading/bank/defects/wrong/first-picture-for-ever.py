# /// case
# check = "defects/pipeline"
# about = "keeps the first picture and gives it again for every other"
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
    t, first = honest(train, size, p_flip, p_one, choices, seed), {}

    def call(image, mask):
        first.setdefault("image", image.copy()), first.setdefault("mask", mask.copy())
        return t(image=first["image"], mask=first["mask"])

    return call
