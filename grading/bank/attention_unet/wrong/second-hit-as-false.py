# /// case
# check = "attention_unet/nodules"
# about = "further hits are false positives"
# ///

# %% match
def match(candidates, findings):
    hits, touched = [], set()
    for centre, diameter, relevant in findings:
        inside = [i for i, (where, _) in enumerate(candidates) if math.dist(where, centre) < diameter / 2]
        if relevant:
            hits.append(max((candidates[i][1] for i in inside), default=-math.inf))
            touched.update(sorted(inside, key=lambda i: -candidates[i][1])[:1])
        else:
            touched.update(inside)
    return hits, [score for i, (_, score) in enumerate(candidates) if i not in touched]
