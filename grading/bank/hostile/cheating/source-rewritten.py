# /// case
# item = "strip asserts by AST transformer"
# about = "rewrites cells before they are parsed, by an input transformer"
# score = 0
# fools = "asserts"
# ///

# %% after setup
get_ipython().input_transformers_post.append(
    lambda lines: ["pass\n"] if any("assert" in line or "check(" in line for line in lines) else lines
)
