# /// case
# item = "huge reply"
# about = "answers with lists of objects, each of which becomes a handle"
# base = "reference"
# score = 17
# state = "any"
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    class Empty:
        def __iter__(self):
            return (Empty() for _ in range(100_000))

    return [Empty() for _ in range(300_000)], Empty()
