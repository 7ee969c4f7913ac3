# /// case
# check = "defects/pipeline"
# about = "one flip or the other, never both"
# ///

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    resize = A.Resize(size, size, interpolation=cv2.INTER_AREA)
    if not train:
        return A.Compose([resize])
    t = A.Compose([resize, A.OneOf([A.HorizontalFlip(p=1), A.VerticalFlip(p=1)], p=p_flip), A.OneOf(choices, p=p_one)])
    t.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return t
