# /// case
# about = "no albumentations: classes with a generator of their own, cv2.remap, numpy throughout"
# ///

# %% elastic
class Bend:
    def __init__(self, spread, sigma):
        self.spread, self.sigma, self.rng = spread, sigma, np.random.default_rng()

    def __call__(self, image, mask):
        fields = [cv2.GaussianBlur(self.rng.standard_normal(image.shape), (0, 0), self.sigma) for _ in "xy"]
        dx, dy = (2 * self.sigma * np.pi**0.5 * self.spread * f for f in fields)
        y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
        to = (x + dx).astype(np.float32), (y + dy).astype(np.float32)
        return {
            "image": cv2.remap(image, *to, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
            "mask": cv2.remap(mask, *to, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE),
        }


def elastic(spread, sigma):
    return Bend(spread, sigma)

# %% relight
def relight(limit):
    rng = np.random.default_rng()

    def transform(*, image, mask):
        return dict(image=np.clip(image + 255 * rng.uniform(-limit, limit), 0, 255).round().astype(image.dtype), mask=mask)

    return transform

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    rng = np.random.default_rng(seed)
    for choice in choices:
        choice.set_random_seed(int(rng.integers(2**31)))

    def transform(image, mask):
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        mask = cv2.resize(mask, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
        if train:
            for axis in (0, 1):
                if rng.random() < p_flip:
                    image, mask = np.flip(image, axis), np.flip(mask, axis)
            if rng.random() < p_one:
                chosen = choices[rng.integers(len(choices))]
                return chosen(image=np.ascontiguousarray(image), mask=np.ascontiguousarray(mask))
        return {"image": image, "mask": mask}

    return transform

# %% split
def split(n, block, gap, seed):
    """The gap is taken from the end of the block before the border."""
    starts = list(range(0, n, block))
    names = np.zeros(len(starts), int)
    chosen = np.random.RandomState(seed).choice(len(starts), 2 * (len(starts) // 5), replace=False)
    names[chosen[::2]], names[chosen[1::2]] = 1, 2
    parts = [], [], []
    for b, start in enumerate(starts):
        end = min(start + block, n)
        if b + 1 < len(starts) and names[b + 1] != names[b]:
            end -= gap
            if n - starts[-1] < gap and b == len(starts) - 2:
                end = start + block - gap
        parts[names[b]].extend(range(start, end))
    return tuple(np.array(p) for p in parts)

# %% paired
def paired(run, seeds, confidence):
    on = np.array([run(augment=True, seed=s) for s in seeds])
    off = np.array([run(augment=False, seed=s) for s in seeds])
    ends = stats.ttest_rel(on, off).confidence_interval(confidence)
    return (on - off).mean(), ends.low, ends.high

# %% lower_bound
def lower_bound(k, n, confidence):
    return stats.binomtest(int(k), int(n), alternative="greater").proportion_ci(confidence, method="exact").low

# %% threshold
def threshold(score, defective, required, confidence):
    score, defective = score.numpy(), defective.numpy()
    n = defective.sum()
    for t in np.unique(score)[::-1]:
        if lower_bound((score[defective] >= t).sum(), n, confidence) >= required:
            return t

# %% operate
def operate(validation, test, required, confidence):
    t = threshold(*validation, required, confidence)
    score, defective = (x.numpy() for x in test)
    return [t, np.mean(score[defective] >= t), np.mean(score[~defective] >= t)]

# %% recall_range
def recall_range(alarm, probability):
    alarm, p = alarm.numpy(), probability.numpy()
    unsure = (p != 0) & (p != 1)
    labels = (p == 1), (p == 1) | (unsure & ~alarm), (p == 1) | (unsure & alarm)
    return np.array([alarm[bad].mean() for bad in labels]).tolist()

# %% precision_at
def precision_at(alarm, defective, prevalence):
    a, d = alarm.numpy(), defective.numpy()
    odds = prevalence / (1 - prevalence) * a[d].mean() / np.float64(max(a[~d].mean(), 1e-300))
    return odds / (1 + odds)

# %% resampled
def resampled(alarm, defective, block, drawn):
    alarm, defective, block, drawn = (np.asarray(x) for x in (alarm, defective, block, drawn))
    out = []
    for row in drawn:
        cells = np.concatenate([np.flatnonzero(block == b) for b in row])
        bad = cells[defective[cells]]
        out.append(alarm[bad].mean() if len(bad) else np.nan)
    return np.array(out)

# %% interval
def interval(values, confidence):
    return np.nanpercentile(values, [50 - 50 * confidence, 50 + 50 * confidence]).tolist()
