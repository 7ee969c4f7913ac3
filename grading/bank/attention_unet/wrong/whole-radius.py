# /// case
# check = "attention_unet/nodules"
# about = "diameter // 2: the radius rounded down to whole mm"
# ///

# %% match
def match(candidates, findings):
    hits, touched = [], set()
    for centre, diameter, relevant in findings:
        inside = [i for i, (c, _) in enumerate(candidates) if math.dist(c, centre) < diameter // 2]
        touched.update(inside)
        if relevant:
            hits.append(max((candidates[i][1] for i in inside), default=-math.inf))
    return hits, [s for i, (_, s) in enumerate(candidates) if i not in touched]
