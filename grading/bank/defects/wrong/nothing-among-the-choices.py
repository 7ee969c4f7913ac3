# /// case
# check = "defects/pipeline"
# about = "doing nothing is one of the choices"
# ///

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    resize = A.Resize(size, size, interpolation=cv2.INTER_AREA)
    if not train:
        return A.Compose([resize])
    t = A.Compose([resize, A.HorizontalFlip(p=p_flip), A.VerticalFlip(p=p_flip), A.OneOf([*choices, A.NoOp(p=1)], p=p_one)])
    t.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return t
