# /// case
# about = "numpy arrays, float64 and scipy where no gradient is needed; arrays for tuples"
# ///

# %% window
def window(stored, slope, intercept, low, high):
    hu = np.asarray(stored, dtype=np.float64) * slope + intercept
    return np.interp(hu, [low, high], [0.0, 1.0]).astype(np.float32)

# %% voxel
def voxel(position, origin, spacing):
    steps = (np.array(position) - np.array(origin)) / np.array(spacing)
    return np.rint(steps)[::-1].astype(int)

# %% inside
def inside(outline, shape):
    drawn = np.ones(np.add(shape, 2), bool)
    drawn[tuple(outline.T[::-1] + 1)] = False
    regions, _ = ndimage.label(drawn)
    return ((regions != regions[0, 0]) & drawn)[1:-1, 1:-1]

# %% volume
def volume(mask, spacing):
    return np.count_nonzero(mask) * np.multiply.reduce(spacing)

# %% split
def split(patients, share, seed):
    names, whose = np.unique(patients, return_inverse=True)
    rng = np.random.RandomState(seed)
    chosen = rng.choice(len(names), int(np.rint(share * len(names))), replace=False)
    test = np.isin(whose, chosen)
    return np.flatnonzero(~test), np.flatnonzero(test)

# %% dice_scores
def dice_scores(predicted, target):
    a, b = predicted.numpy(), target.numpy()
    scores = [2 * (x & y).sum() / (x.sum() + y.sum()) if x.any() or y.any() else 1.0 for x, y in zip(a, b)]
    return np.array(scores, dtype=np.float32)

# %% starts
def starts(length, size, step):
    return np.unique(np.minimum(np.arange(0, length - size + step, step), length - size))

# %% sliding_window
def sliding_window(volume, predict, weight, step):
    x, w = volume.numpy(), weight.double().numpy()
    total, weights = np.zeros(x.shape), np.zeros(x.shape)
    for i in starts(x.shape[0], w.shape[0], step[0]):
        for j in starts(x.shape[1], w.shape[1], step[1]):
            for k in starts(x.shape[2], w.shape[2], step[2]):
                at = np.s_[i : i + w.shape[0], j : j + w.shape[1], k : k + w.shape[2]]
                total[at] += w * predict(torch.from_numpy(x[at].copy())).numpy()
                weights[at] += w
    return (total / weights).astype(x.dtype)

# %% find_nodules
def find_nodules(probability, threshold, spacing):
    mask = probability > threshold
    labels, n = ndimage.label(mask, structure=ndimage.generate_binary_structure(3, 1))
    ids = np.arange(1, n + 1)
    if n == 0:
        return []
    centres = np.array(ndimage.center_of_mass(mask, labels, ids)) * spacing
    scores = ndimage.maximum(probability, labels, ids)
    return [(centres[i], scores[i]) for i in np.argsort(scores)[::-1]]

# %% match
def match(candidates, findings):
    if not candidates:
        return np.full(sum(r for _, _, r in findings), -np.inf), []
    scores = np.array([s for _, s in candidates])
    if not findings:
        return [], scores
    where, centres = np.array([c for c, _ in candidates]), np.array([c for c, _, _ in findings])
    near = np.linalg.norm(where[:, None] - centres, axis=2) < np.array([d for _, d, _ in findings]) / 2
    best = np.where(near, scores[:, None], -np.inf).max(0)
    return best[[bool(r) for _, _, r in findings]], scores[~near.any(1)]

# %% sensitivity
def sensitivity(hits, false, scans, rate):
    hits, false = np.array(hits, float), np.sort(np.array(false, float))[::-1]
    allowed = int(np.floor(rate * scans + 1e-9))
    limit = false[allowed] if allowed < len(false) else -np.inf
    return np.mean(hits > limit)
