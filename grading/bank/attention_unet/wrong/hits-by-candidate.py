# /// case
# check = "attention_unet/nodules"
# misconception = "nodule-counted-twice"
# about = "goes through candidates, not findings"
# ///

# %% match
def match(candidates, findings):
    hits, false = [], []
    for where, score in candidates:
        hit = [relevant for centre, diameter, relevant in findings if math.dist(where, centre) < diameter / 2]
        if any(hit):
            hits.append(score)
        elif not hit:
            false.append(score)
    return hits, false
