# /// case
# check = "defects/pipeline"
# about = "p_one for the flips and p_flip for the choices"
# ///

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    resize = A.Resize(size, size, interpolation=cv2.INTER_AREA)
    if not train:
        return A.Compose([resize])
    t = A.Compose([resize, A.HorizontalFlip(p=p_one), A.VerticalFlip(p=p_one), A.OneOf(choices, p=p_flip)])
    t.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return t
