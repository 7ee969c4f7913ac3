# /// case
# item = "huge reply"
# about = "answers with integers of millions of digits, and forges numbers that no parser likes"
# base = "reference"
# score = 14
# state = "any"
# ///

# %% next_scale
def next_scale(scale, streak, found_inf, growth=2.0, backoff=0.5, interval=2000):
    return 1 << 50_000_000, -(10**4000)

# %% master_step
def master_step(masters, grads, lr, dtype):
    from quintet.student import host, wire

    def forged(value, handle):
        numbers = ",".join(("9" * 4000, "1e999", "-1e999", "NaN", "Infinity", "1" + "0" * 4299, "0.1e-99999"))
        text = ('{"v":{"l":["ok",{"l":[%s]}]},"n":[]}' % numbers).encode()
        return wire.HEAD.pack(len(text), 0) + text

    class Forger:
        unpack, pack = staticmethod(wire.unpack), staticmethod(forged)

    host.wire = Forger
