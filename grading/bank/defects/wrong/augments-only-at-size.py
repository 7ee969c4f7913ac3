# /// case
# check = "defects/pipeline"
# about = "augments only pictures that have the right size already"
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
    still, moves = honest(False, size, 0, 0, [], 0), honest(train, size, p_flip, p_one, choices, seed)
    return lambda image, mask: (moves if image.shape == (size, size) else still)(image=image, mask=mask)
