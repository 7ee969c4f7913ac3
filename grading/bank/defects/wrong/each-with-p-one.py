# /// case
# check = "defects/pipeline"
# misconception = "each-instead-of-one"
# about = "each choice with probability p_one"
# ///

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    resize = A.Resize(size, size, interpolation=cv2.INTER_AREA)
    if not train:
        return A.Compose([resize])
    t = A.Compose([resize, A.HorizontalFlip(p=p_flip), A.VerticalFlip(p=p_flip), *[A.Sequential([c], p=p_one) for c in choices]])
    t.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return t
