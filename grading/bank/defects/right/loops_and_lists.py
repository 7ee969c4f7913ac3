# /// case
# about = "plain Python: lists, loops, sums; weights in the place of samples; a binomial tail solved for its share"
# ///

# %% elastic
def elastic(spread, sigma):
    """Measured once on noise of the same kind, rather than computed."""
    noise = np.random.default_rng(0).uniform(-1, 1, (512, 512)).astype(np.float32)
    left = cv2.GaussianBlur(noise, (0, 0), sigma).std()
    return A.Compose([A.ElasticTransform(spread / left, sigma, noise_distribution="uniform", border_mode=cv2.BORDER_REFLECT, p=1.0)])

# %% relight
def relight(limit):
    return A.HueSaturationValue(hue_shift_limit=0, sat_shift_limit=0, val_shift_limit=255 * limit, p=1)

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    parts = [A.Resize(height=size, width=size, interpolation=cv2.INTER_AREA, mask_interpolation=cv2.INTER_NEAREST_EXACT)]
    if train:
        parts += [A.HorizontalFlip(p=p_flip), A.VerticalFlip(p=p_flip)]
        parts += [A.OneOf(choices, p=p_one)]
    made = A.Compose(parts, strict=False)
    for i, part in enumerate(made.transforms):
        part.set_random_seed(1000 * seed + i)
    return made

# %% split
def split(n, block, gap, seed):
    """First the blocks, then whoever stands too near to the block before."""
    blocks = [list(range(s, min(s + block, n))) for s in range(0, n, block)]
    order = list(range(len(blocks)))
    random.Random(seed).shuffle(order)
    fifth = len(blocks) // 5
    name = {b: "validation" for b in order[:fifth]} | {b: "test" for b in order[fifth : 2 * fifth]}
    out = {"training": [], "validation": [], "test": []}
    for b, cells in enumerate(blocks):
        mine = name.get(b, "training")
        skip = gap if b > 0 and name.get(b - 1, "training") != mine else 0
        out[mine] += cells[skip:]
    return list(out.values())

# %% paired
def paired(run, seeds, confidence):
    d = []
    for s in seeds:
        without = run(False, s)
        d.append(run(True, s) - without)
    n, mean = len(d), sum(d) / len(d)
    error = (sum((x - mean) ** 2 for x in d) / (n - 1) / n) ** 0.5
    low, high = stats.t.interval(confidence, n - 1, loc=mean, scale=error)
    return mean, low, high

# %% lower_bound
def lower_bound(k, n, confidence):
    """The share p at which k hits or more would have a probability of 1 - confidence, by bisection."""
    if k == 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(80):
        p = (low + high) / 2
        tail = stats.binom.sf(k - 1, n, p)
        low, high = (p, high) if tail < 1 - confidence else (low, p)
    return (low + high) / 2

# %% threshold
def threshold(score, defective, required, confidence):
    bad = [s for s, d in zip(score.tolist(), defective.tolist()) if d]
    good = [t for t in bad if lower_bound(sum(s >= t for s in bad), len(bad), confidence) >= required]
    return max(good, default=None)

# %% operate
def operate(validation, test, required, confidence):
    t = threshold(validation[0], validation[1], required=required, confidence=confidence)
    tp = fp = bad = good = 0
    for s, d in zip(*(x.tolist() for x in test)):
        tp, fp = tp + (d and s >= t), fp + (not d and s >= t)
        bad, good = bad + d, good + (not d)
    return t, tp / bad, fp / good

# %% recall_range
def recall_range(alarm, probability):
    hits = misses = found = missed = 0
    for a, p in zip(alarm.tolist(), probability.tolist()):
        if p == 1:
            hits, misses = hits + a, misses + (not a)
        elif p > 0:
            found, missed = found + a, missed + (not a)
    n = hits + misses
    return hits / n, hits / (n + missed), (hits + found) / (n + found)

# %% precision_at
def precision_at(alarm, defective, prevalence):
    """Each cell weighs as much as its kind does on the line."""
    share = sum(defective.tolist()) / len(defective)
    weight = [prevalence / share if d else (1 - prevalence) / (1 - share) for d in defective.tolist()]
    right = sum(w for w, a, d in zip(weight, alarm.tolist(), defective.tolist()) if a and d)
    return right / sum(w for w, a in zip(weight, alarm.tolist()) if a)

# %% resampled
def resampled(alarm, defective, block, drawn):
    hits, bad = {}, {}
    for a, d, b in zip(alarm.tolist(), defective.tolist(), block.tolist()):
        hits[b] = hits.get(b, 0) + (a and d)
        bad[b] = bad.get(b, 0) + d
    sums = [(sum(hits.get(b, 0) for b in row), sum(bad.get(b, 0) for b in row)) for row in drawn.tolist()]
    return torch.tensor([h / n if n else math.nan for h, n in sums])

# %% interval
def interval(values, confidence):
    x = sorted(v for v in values.tolist() if not math.isnan(v))

    def at(q):
        place = q * (len(x) - 1)
        i = min(int(place), len(x) - 2)
        return x[i] + (place - i) * (x[i + 1] - x[i])

    return at((1 - confidence) / 2), at((1 + confidence) / 2)
