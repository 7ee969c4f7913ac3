# /// case
# check = "defects/pipeline"
# misconception = "each-instead-of-one"
# about = "all choices in turn, each with the probability of one"
# ///

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    resize = A.Resize(size, size, interpolation=cv2.INTER_AREA)
    if not train:
        return A.Compose([resize])
    t = A.Compose([resize, A.HorizontalFlip(p=p_flip), A.VerticalFlip(p=p_flip), *[A.Sequential([c], p=p_one / len(choices)) for c in choices]])
    t.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return t
