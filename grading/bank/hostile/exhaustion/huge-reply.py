# /// case
# item = "huge reply"
# about = "answers with a tensor of 2 GB made of one number"
# base = "reference"
# score = 17
# state = "any"
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    one = torch.zeros(1).expand(2**29)
    return [one, one], [one, one]
