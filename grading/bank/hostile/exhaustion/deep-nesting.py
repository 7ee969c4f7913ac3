# /// case
# item = "huge reply"
# about = "answers with lists nested a million deep, in Python and as a forged header"
# base = "reference"
# score = 17
# state = "any"
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    from quintet.student import host, wire

    def forged(value, handle):
        text = b'{"v":' + b'{"l":[' * 1_000_000 + b"]}" * 1_000_000 + b',"n":[]}'
        return wire.HEAD.pack(len(text), 0) + text

    class Forger:
        unpack, pack = staticmethod(wire.unpack), staticmethod(forged)

    host.wire = Forger
