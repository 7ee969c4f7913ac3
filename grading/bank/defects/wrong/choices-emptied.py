# /// case
# check = "defects/pipeline"
# about = "empties the list that it is given"
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
    mine = list(choices)
    choices.clear()
    return honest(train, size, p_flip, p_one, mine, seed)
