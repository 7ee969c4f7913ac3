# /// case
# check = "defects/pipeline"
# misconception = "image-without-mask"
# about = "only the picture goes through the pipeline, the mask is resized"
# ///

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    resize = A.Resize(size, size, interpolation=cv2.INTER_AREA)
    if not train:
        return A.Compose([resize])
    t = A.Compose([resize, A.HorizontalFlip(p=p_flip), A.VerticalFlip(p=p_flip), A.OneOf(choices, p=p_one)])
    t.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return lambda image, mask: {"image": t(image=image)["image"], "mask": cv2.resize(mask, (size, size), interpolation=cv2.INTER_NEAREST)}
