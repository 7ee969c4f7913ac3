# /// case
# item = "huge reply"
# about = "forges a header in which a million tensors share one buffer"
# base = "reference"
# score = 17
# state = "any"
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    from quintet.student import host, wire

    def forged(value, handle):
        body = bytes(2**20)
        tensors = ",".join('{"T":["uint8",[%d],0]}' % len(body) for _ in range(500_000))
        text = ('{"v":{"l":["ok",{"l":[%s]}]},"n":[%d]}' % (tensors, len(body))).encode()
        return wire.HEAD.pack(len(text), len(body)) + text + body

    class Forger:
        unpack, pack = staticmethod(wire.unpack), staticmethod(forged)

    host.wire = Forger
