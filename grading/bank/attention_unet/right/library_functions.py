# /// case
# about = "torch and cv2 functions for whole steps; a class for the gate; graphs where none is needed; generators, views, a zip"
# ///

# %% window
def window(stored, slope, intercept, low, high):
    hu = torch.addcmul(torch.tensor(intercept), stored.float(), torch.tensor(slope))
    return F.hardtanh((hu - low) / (high - low), 0.0, 1.0)

# %% voxel
def voxel(position, origin, spacing):
    p, o, s = (torch.tensor(t, dtype=torch.float64) for t in (position, origin, spacing))
    return tuple(int(i) for i in ((p - o) / s).round().flip(0))

# %% inside
def inside(outline, shape):
    mask = np.zeros(shape, np.uint8)
    cv2.drawContours(mask, [outline.astype(np.int32)[:, None]], -1, 2, thickness=cv2.FILLED)
    cv2.drawContours(mask, [outline.astype(np.int32)[:, None]], -1, 1, thickness=1)
    return torch.from_numpy(mask == 2)

# %% split
def split(patients, share, seed):
    names = sorted(set(patients))
    tested = set(random.Random(seed).sample(names, round(share * len(names))))
    yield [i for i, p in enumerate(patients) if p not in tested]
    yield [i for i, p in enumerate(patients) if p in tested]

# %% gate
def gate(x, g, theta, phi, psi):
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.theta, self.phi, self.score = theta, phi, nn.Sequential(nn.ReLU(), psi, nn.Sigmoid())

        def forward(self, x, g):
            grid = self.theta(x)
            q = self.score(torch.add(grid, F.interpolate(self.phi(g), grid.shape[-3:], mode="trilinear", align_corners=False)))
            alpha = F.interpolate(q, x.shape[-3:], mode="trilinear", align_corners=False)
            return torch.mul(x, alpha.expand_as(x)), alpha

    return Gate()(x, g)

# %% dice_scores
def dice_scores(predicted, target):
    a, b = predicted.flatten(1).float(), target.flatten(1).float()
    size = (a + b).sum(dim=-1)
    return torch.nan_to_num(2 * torch.linalg.vecdot(a, b) / size, nan=1.0)

# %% dice_loss
def dice_loss(logits, target, smooth):
    p = F.sigmoid(logits)
    t = target.to(p)
    both, size = torch.einsum("ndhw,ndhw->n", p, t), torch.einsum("ndhw->n", p + t)
    return torch.mean((size - 2 * both) / (size + smooth))

# %% sliding_window
def sliding_window(volume, predict, weight, step):
    corners = list(itertools.product(*map(starts, volume.shape, weight.shape, step)))
    cells = torch.arange(volume.numel()).view(volume.shape)
    boxes = [tuple(slice(c, c + n) for c, n in zip(corner, weight.shape)) for corner in corners]
    places = torch.cat([cells[b].flatten() for b in boxes])
    found = torch.cat([(weight * predict(volume[b])).flatten() for b in boxes])
    above, below = volume.new_zeros(volume.numel()), volume.new_zeros(volume.numel())
    above.index_add_(0, places, found)
    below.index_add_(0, places, weight.flatten().repeat(len(boxes)))
    return (above / below).view(volume.shape)

# %% find_nodules
def find_nodules(probability, threshold, spacing):
    labels, k = ndimage.label(probability > threshold)
    ids = np.arange(1, k + 1)
    scores = np.array([probability[labels == i].max() for i in ids])
    centres = [np.argwhere(labels == i).mean(0) * np.array(spacing) for i in ids]
    order = np.argsort(-scores)
    return zip([centres[i] for i in order], scores[order])

# %% match
def match(candidates, findings):
    hits, false = [], dict(enumerate(s for _, s in candidates))
    for centre, diameter, relevant in findings:
        inside = [i for i, (c, _) in enumerate(candidates) if math.dist(c, centre) < diameter / 2]
        for i in inside:
            false.pop(i, None)
        if relevant:
            hits.append(max((candidates[i][1] for i in inside), default=-math.inf))
    return hits, false.values()
