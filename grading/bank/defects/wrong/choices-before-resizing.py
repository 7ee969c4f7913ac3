# /// case
# check = "defects/pipeline"
# about = "the picture is resized last"
# ///

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    resize = A.Resize(size, size, interpolation=cv2.INTER_AREA)
    if not train:
        return A.Compose([resize])
    t = A.Compose([A.HorizontalFlip(p=p_flip), A.VerticalFlip(p=p_flip), A.OneOf(choices, p=p_one), resize])
    t.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return t
