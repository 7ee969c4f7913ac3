# /// case
# check = "moco/queue"
# misconception = "pointer-wrap"
# about = "what does not fit before the end is cut off, as some libraries do"
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
        end = min(start + len(k), self.size)
        self.keys[start:end] = k[: end - start]
        self.held.fill_(max(int(self.held), end))
        self.pointer.fill_(end % self.size)

    def negatives(self):
        return self.keys[: int(self.held)]
