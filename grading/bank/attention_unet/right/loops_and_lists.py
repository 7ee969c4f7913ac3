# /// case
# about = "loops over voxels and pixels, written out; ray casting; flood fill by hand"
# ///

# %% window
def window(stored, slope, intercept, low, high):
    hu = stored.to(torch.float64).mul(slope).add(intercept)
    return hu.clip(low, high).sub(low).div(high - low).float()

# %% voxel
def voxel(position, origin, spacing):
    index = []
    for axis in (2, 1, 0):
        index.append(math.floor((position[axis] - origin[axis]) / spacing[axis] + 0.5))
    return index

# %% inside
def inside(outline, shape):
    """A pixel that is no outline and from which the outside cannot be reached by steps along rows and columns."""
    rows, columns = shape
    border = {(int(y), int(x)) for x, y in outline}
    reached, todo = set(), [(-1, -1)]
    while todo:
        r, c = todo.pop()
        if (r, c) in reached or (r, c) in border or not (-1 <= r <= rows and -1 <= c <= columns):
            continue
        reached.add((r, c))
        todo += [(r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)]
    return np.array([[(r, c) not in reached and (r, c) not in border for c in range(columns)] for r in range(rows)])

# %% volume
def volume(mask, spacing):
    a, b, c = spacing
    total = 0.0
    for plane in mask:
        total += plane.sum() * (b * c) * a
    return total

# %% split
def split(patients, share, seed):
    names = list(dict.fromkeys(patients))
    random.Random(seed).shuffle(names)
    tested = names[: round(len(names) * share)]
    sides = [], []
    for i, name in enumerate(patients):
        sides[name in tested].append(i)
    return sides

# %% gate
def gate(x, g, theta, phi, psi):
    def to(t, like):
        return t if t.shape[2:] == like.shape[2:] else nn.Upsample(size=tuple(like.shape[2:]), mode="trilinear")(t)

    grid = theta(x)
    s = grid + to(phi(g), grid)
    alpha = to(torch.sigmoid(psi(torch.clamp(s, min=0))), x)
    return x.mul(alpha), alpha

# %% dice_scores
def dice_scores(predicted, target):
    out = []
    for a, b in zip(predicted, target):
        n = int(a.sum()) + int(b.sum())
        out.append(1.0 if n == 0 else 2 * int((a & b).sum()) / n)
    return torch.tensor(out)

# %% dice_loss
def dice_loss(logits, target, smooth):
    losses = []
    for z, t in zip(logits, target):
        p = 0.5 * (1 + torch.tanh(z / 2))
        losses.append(1 - (2 * p[t].sum() + smooth) / (p.sum() + t.sum() + smooth))
    return sum(losses) / len(losses)

# %% starts
def starts(length, size, step):
    i = 0
    while i + size < length:
        yield i
        i += step
    yield length - size

# %% sliding_window
def sliding_window(volume, predict, weight, step):
    """Each window in a volume of its own."""
    (D, H, W), (d, h, w) = volume.shape, weight.shape
    above = below = torch.zeros(D, H, W)
    for z in starts(D, d, step[0]):
        for y in starts(H, h, step[1]):
            for x in starts(W, w, step[2]):
                pad = (x, W - w - x, y, H - h - y, z, D - d - z)
                found = predict(volume[z : z + d, y : y + h, x : x + w].clone())
                above = above + F.pad(weight * found, pad)
                below = below + F.pad(weight, pad)
    return above / below

# %% find_nodules
def find_nodules(probability, threshold, spacing):
    left = {tuple(v) for v in np.argwhere(probability > threshold).tolist()}
    found = []
    while left:
        todo, part = [left.pop()], []
        while todo:
            v = todo.pop()
            part.append(v)
            for step in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)):
                w = tuple(a + b for a, b in zip(v, step))
                if w in left:
                    left.remove(w)
                    todo.append(w)
        centre = [sum(v[a] for v in part) / len(part) * spacing[a] for a in range(3)]
        found.append((centre, max(float(probability[v]) for v in part)))
    found.sort(key=lambda c: c[1], reverse=True)
    return found

# %% match
def match(candidates, findings):
    best = [-math.inf] * len(findings)
    false = []
    for where, score in candidates:
        hit = False
        for k, (centre, diameter, _) in enumerate(findings):
            if sum((a - b) ** 2 for a, b in zip(where, centre)) < (diameter / 2) ** 2:
                hit = True
                best[k] = max(best[k], score)
        if not hit:
            false.append(score)
    return [b for b, f in zip(best, findings) if f[2]], sorted(false, reverse=True)

# %% sensitivity
def sensitivity(hits, false, scans, rate):
    found, n = 0, len(hits)
    for threshold in sorted({*hits, *false} - {-math.inf}, reverse=True):
        if len([f for f in false if f >= threshold]) > rate * scans:
            break
        found = len([h for h in hits if h >= threshold])
    return found / n
