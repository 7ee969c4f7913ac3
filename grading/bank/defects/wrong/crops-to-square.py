# /// case
# check = "defects/pipeline"
# about = "crops to a square, so that what is beside it is lost"
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
        side = min(image.shape)
        return t(image=np.ascontiguousarray(image[:side, :side]), mask=np.ascontiguousarray(mask[:side, :side]))

    return call
