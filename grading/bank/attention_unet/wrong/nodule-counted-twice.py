# /// case
# check = "attention_unet/nodules"
# misconception = "nodule-counted-twice"
# about = "an entry for each hit"
# ///

# %% match
def match(candidates, findings):
    hits, touched = [], set()
    for centre, diameter, relevant in findings:
        inside = [i for i, (where, _) in enumerate(candidates) if math.dist(where, centre) < diameter / 2]
        touched.update(inside)
        if relevant:
            hits += [candidates[i][1] for i in inside] or [-math.inf]
    return hits, [score for i, (_, score) in enumerate(candidates) if i not in touched]
