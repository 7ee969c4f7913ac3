# /// case
# about = "torch throughout: matrix products with one-hot blocks, searchsorted, nested compositions, a custom transform"
# ///

# %% elastic
def elastic(spread, sigma):
    alpha = 2 * math.pi**0.5 * 3**0.5 * sigma * spread
    return A.Sequential([A.ElasticTransform(alpha, sigma, noise_distribution="uniform", border_mode=cv2.BORDER_REFLECT_101, mask_interpolation=cv2.INTER_NEAREST, p=1)], p=1)

# %% relight
class Lamp(A.ImageOnlyTransform):
    def __init__(self, limit):
        super().__init__(p=1)
        self.limit = limit

    def get_params(self):
        return {"amount": int(round(255 * self.py_random.uniform(-self.limit, self.limit)))}

    def apply(self, img, amount, **params):
        return np.clip(img.astype(np.int16) + amount, 0, 255).astype(np.uint8)


def relight(limit):
    return Lamp(limit)

# %% pipeline
def pipeline(train, size, p_flip, p_one, choices, seed):
    smaller = A.Resize(size, size, area_for_downscale="image")
    rest = [A.Sequential([A.HorizontalFlip(p=p_flip)], p=1), A.VerticalFlip(p=p_flip), A.SomeOf(choices, n=1, p=p_one)]
    inner = A.Compose([smaller] + (rest if train else []))
    inner.set_random_state(np.random.default_rng([seed]), random.Random(seed + 1))
    return lambda image, mask: inner(image=image, mask=mask)

# %% split
def split(n, block, gap, seed):
    generator = torch.Generator().manual_seed(seed)
    blocks = (n + block - 1) // block
    fifth = blocks // 5
    kinds = torch.cat([torch.ones(fifth), 2 * torch.ones(fifth), torch.zeros(blocks - 2 * fifth)])
    own = kinds[torch.randperm(blocks, generator=generator)].repeat_interleave(block)[:n]
    near = torch.zeros(n, dtype=torch.bool)
    for shift in range(1, gap + 1):
        near[shift:] |= own[shift:] != own[:-shift]
    return [((own == k) & ~near).nonzero()[:, 0] for k in range(3)]

# %% paired
def paired(run, seeds, confidence):
    metrics = torch.tensor([[run(arm, s) for arm in (False, True)] for s in seeds])  # float32
    d = metrics.diff(dim=1)[:, 0]
    half = float(stats.t(df=len(d) - 1).isf((1 - confidence) / 2)) * d.std() / len(d) ** 0.5
    return torch.stack([d.mean(), d.mean() - half, d.mean() + half])

# %% lower_bound
def lower_bound(k, n, confidence):
    if k < 1:
        return torch.tensor(0.0)
    f = stats.f.ppf(confidence, 2 * (n - k + 1), 2 * k)
    return torch.tensor(k / (k + (n - k + 1) * f))

# %% threshold
def threshold(score, defective, required, confidence):
    caught = score[defective].sort().values
    bounds = torch.tensor([lower_bound(k, len(caught), confidence) for k in range(len(caught), 0, -1)])
    enough = (bounds >= required).nonzero()
    return caught[enough.max()] if len(enough) else None

# %% operate
def operate(validation, test, required, confidence):
    t = threshold(*validation, required, confidence)
    alarm = torch.ge(test[0], t).double()
    bad = test[1].double()
    return t, alarm @ bad / bad.sum(), alarm @ (1 - bad) / (1 - bad).sum()

# %% recall_range
def recall_range(alarm, probability):
    kind = (probability > 0).long() + (probability >= 1).long()
    table = torch.zeros(2, 3, dtype=torch.float64).index_put_((alarm.long(), kind), torch.ones(len(alarm), dtype=torch.float64), accumulate=True)
    (_, missed, lost), (_, found, hits) = table
    return hits / (hits + lost), hits / (hits + lost + missed), (hits + found) / (hits + lost + found)

# %% precision_at
def precision_at(alarm, defective, prevalence):
    table = torch.bincount(2 * defective.long() + alarm.long(), minlength=4).reshape(2, 2).double()
    false, recall = table[:, 1] / table.sum(1)
    return 1 / (1 + (1 - prevalence) / prevalence * false / recall)

# %% resampled
def resampled(alarm, defective, block, drawn):
    one_hot = nn.functional.one_hot(block, drawn.shape[1]).double()
    times = nn.functional.one_hot(drawn, drawn.shape[1]).sum(1).double()
    weight = times @ one_hot.T
    return (weight @ (alarm & defective).double()) / (weight @ defective.double())

# %% interval
def interval(values, confidence):
    q = torch.tensor([1 - confidence, 1 + confidence], dtype=values.dtype) / 2
    return torch.nanquantile(values, q)
