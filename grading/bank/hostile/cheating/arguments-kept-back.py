# /// case
# item = "further"
# about = "replaces the wire's pack, so that each answer is the question that it came with"
# score = 0
# state = "any"
# ///

# %% after setup
from quintet.student import host, wire

before, asked = wire.unpack, []


def unpack(frame, handle):
    asked[:] = [before(frame, handle)]
    return asked[0]


class Echo:
    def __getattr__(self, name):
        return getattr(wire, name)

    unpack = staticmethod(unpack)

    @staticmethod
    def pack(value, handle):
        if isinstance(value, list) and asked and asked[0][0] != "run":
            value = ["ok", asked[0][1:]]
        return wire.pack(value, handle)


host.wire = Echo()
