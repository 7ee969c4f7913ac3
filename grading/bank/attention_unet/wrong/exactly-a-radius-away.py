# /// case
# check = "attention_unet/nodules"
# about = "at most for less than"
# ///

# %% match
def match(candidates, findings):
    hits, touched = [], set()
    for centre, diameter, relevant in findings:
        inside = [i for i, (where, _) in enumerate(candidates) if math.dist(where, centre) <= diameter / 2]
        touched.update(inside)
        if relevant:
            hits.append(max((candidates[i][1] for i in inside), default=-math.inf))
    return hits, [score for i, (_, score) in enumerate(candidates) if i not in touched]
