# /// case
# check = "defects/pipeline"
# misconception = "seed-unused"
# about = "seeds numpy and random, of which albumentations takes no numbers"
# ///

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    resize = A.Resize(size, size, interpolation=cv2.INTER_AREA)
    if not train:
        return A.Compose([resize])
    t = A.Compose([resize, A.HorizontalFlip(p=p_flip), A.VerticalFlip(p=p_flip), A.OneOf(choices, p=p_one)])
    np.random.seed(seed)
    random.seed(seed)
    return t
