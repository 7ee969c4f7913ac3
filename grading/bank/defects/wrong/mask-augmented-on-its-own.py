# /// case
# check = "defects/pipeline"
# about = "resized together, then augmented one after the other"
# ///

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    resize = A.Resize(size, size, interpolation=cv2.INTER_AREA)
    if not train:
        return A.Compose([resize])
    small = A.Compose([resize])
    t = A.Compose([A.HorizontalFlip(p=p_flip), A.VerticalFlip(p=p_flip), A.OneOf(choices, p=p_one)])
    t.set_random_state(np.random.default_rng(seed), random.Random(seed))

    def both(image, mask):
        out = small(image=image, mask=mask)
        return {"image": t(image=out["image"])["image"], "mask": t(image=out["mask"])["image"]}

    return both
