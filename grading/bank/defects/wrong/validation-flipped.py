# /// case
# check = "defects/pipeline"
# misconception = "validation-augmented"
# about = "validation is flipped, only its light stays"
# ///

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    resize = A.Resize(size, size, interpolation=cv2.INTER_AREA)
    if not train:
        return A.Compose([resize, A.HorizontalFlip(p=p_flip), A.VerticalFlip(p=p_flip)])
    t = A.Compose([resize, A.HorizontalFlip(p=p_flip), A.VerticalFlip(p=p_flip), A.OneOf(choices, p=p_one)])
    t.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return t
