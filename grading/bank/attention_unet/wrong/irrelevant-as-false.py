# /// case
# check = "attention_unet/nodules"
# misconception = "irrelevant-as-false"
# about = "looks at relevant findings alone"
# ///

# %% match
def match(candidates, findings):
    hits, touched = [], set()
    for centre, diameter, relevant in findings:
        if relevant:
            inside = [i for i, (where, _) in enumerate(candidates) if math.dist(where, centre) < diameter / 2]
            touched.update(inside)
            hits.append(max((candidates[i][1] for i in inside), default=-math.inf))
    return hits, [score for i, (_, score) in enumerate(candidates) if i not in touched]
