# /// case
# check = "defects/pipeline"
# misconception = "flips-locked-together"
# about = "seed given to Compose: every flip draws the same numbers"
# ///

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    resize = A.Resize(size, size, interpolation=cv2.INTER_AREA)
    if not train:
        return A.Compose([resize])
    t = A.Compose([resize, A.HorizontalFlip(p=p_flip), A.VerticalFlip(p=p_flip), A.OneOf(choices, p=p_one)], seed=seed)
    return t
