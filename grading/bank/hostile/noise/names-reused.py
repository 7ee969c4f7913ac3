# /// case
# item = "further"
# about = "uses the names of builtins and modules for other things"
# base = "reference"
# score = 20
# ///

# %% before amp-unscale
dict = [1, 2]
str = type = id = input = max = 3
math = np = json = os = None
quintet = student = check = host = wire = "mine"
