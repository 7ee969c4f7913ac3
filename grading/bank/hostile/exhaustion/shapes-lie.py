# /// case
# item = "huge reply"
# about = "forges tensors whose shapes multiply to nothing, overflow or do not agree with their bytes"
# base = "reference"
# score = 17
# state = "any"
# ///

# %% master_step
def master_step(masters, grads, lr, dtype):
    from quintet.student import host, wire

    def forged(value, handle):
        shapes = ([2**28] * 8 + [0], [-1], [2**62, 4], [True], [[1]], [1e3], [0] * 64, "x")
        tensors = [{"T": ["float32", shape, i]} for i, shape in enumerate(shapes)]
        tensors += [{"A": ["<f4", [2**28, 0], len(shapes)]}, {"A": ["O", [1], len(shapes)]}, {"D": "__class__"}]
        text = __import__("json").dumps({"v": {"l": ["ok", {"l": tensors}]}, "n": [0] * (len(shapes) + 1)}).encode()
        return wire.HEAD.pack(len(text), 0) + text

    class Forger:
        unpack, pack = staticmethod(wire.unpack), staticmethod(forged)

    host.wire = Forger
