# /// case
# check = "defects/transforms"
# misconception = "elastic-too-weak"
# about = "alpha 30 and sigma 5, whatever is asked for"
# ///

# %% elastic
def elastic(spread, sigma):
    return A.ElasticTransform(alpha=30, sigma=5, border_mode=cv2.BORDER_REFLECT_101, p=1)
