# /// case
# check = "defects/pipeline"
# about = "turns by 90 degrees in the place of flips"
# ///

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    resize = A.Resize(size, size, interpolation=cv2.INTER_AREA)
    if not train:
        return A.Compose([resize])
    t = A.Compose([resize, A.RandomRotate90(p=p_flip), A.OneOf(choices, p=p_one)])
    t.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return t
