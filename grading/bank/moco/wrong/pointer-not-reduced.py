# /// case
# check = "moco/queue"
# misconception = "pointer-wrap"
# about = "the pointer runs past the end after the first round"
# ///

# %% Queue
class Queue(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.size = size
        self.register_buffer("keys", torch.zeros(size, dim))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))
        self.register_buffer("held", torch.zeros((), dtype=torch.long))

    def enqueue(self, k):
        k = nn.functional.normalize(k.detach(), dim=1)[-self.size :]
        start = int(self.pointer)
        fits = max(min(self.size - start, len(k)), 0)
        self.keys[start : start + fits] = k[:fits]
        self.keys[: len(k) - fits] = k[fits:]
        self.held.fill_(min(int(self.held) + len(k), self.size))
        self.pointer.fill_(start + len(k))

    def negatives(self):
        return self.keys[: int(self.held)]
