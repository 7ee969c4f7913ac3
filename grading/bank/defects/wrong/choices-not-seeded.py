# /// case
# check = "defects/pipeline"
# about = "what the choices draw goes on from generators of their own"
# ///

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    resize = A.Resize(size, size, interpolation=cv2.INTER_AREA)
    if not train:
        return A.Compose([resize])
    t = A.Compose([resize])
    draw = random.Random(seed)

    def anew(image, mask):
        out = t(image=image, mask=mask)
        for axis in (0, 1):
            if draw.random() < p_flip:
                out = {k: np.ascontiguousarray(np.flip(v, axis)) for k, v in out.items()}
        return draw.choice(choices)(**out) if draw.random() < p_one else out

    return anew
