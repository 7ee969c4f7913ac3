# /// case
# check = "attention_unet/nodules"
# about = "a false positive with the score of a hit is lost"
# ///

# %% match
def match(candidates, findings):
    hits, touched = [], set()
    for centre, diameter, relevant in findings:
        scores = [s for c, s in candidates if math.dist(c, centre) < diameter / 2]
        touched.update(scores)
        if relevant:
            hits.append(max(scores, default=-math.inf))
    return hits, [s for _, s in candidates if s not in touched]
