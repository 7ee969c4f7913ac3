# /// case
# check = "defects/pipeline"
# misconception = "mask-interpolated"
# about = "the mask goes along as a second picture, so that it is averaged"
# ///

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    resize = A.Resize(size, size, interpolation=cv2.INTER_AREA)
    parts = [resize] if not train else [resize, A.HorizontalFlip(p=p_flip), A.VerticalFlip(p=p_flip), A.OneOf(choices, p=p_one)]
    t = A.Compose(parts, additional_targets={"label": "image"})
    t.set_random_state(np.random.default_rng(seed), random.Random(seed))

    def both(image, mask):
        out = t(image=image, label=mask)
        return {"image": out["image"], "mask": out["label"]}

    return both
