# /// case
# check = "attention_unet/nodules"
# about = "a candidate in two relevant findings counts for the first alone"
# ///

# %% match
def match(candidates, findings):
    used, touched, hits = set(), set(), []
    for centre, diameter, relevant in findings:
        inside = [i for i, (c, _) in enumerate(candidates) if math.dist(c, centre) < diameter / 2]
        touched.update(inside)
        if relevant:
            free = [i for i in inside if i not in used]
            best = max(free, key=lambda i: candidates[i][1], default=None)
            hits.append(-math.inf if best is None else candidates[best][1])
            used.update(inside)
    return hits, [s for i, (_, s) in enumerate(candidates) if i not in touched]
