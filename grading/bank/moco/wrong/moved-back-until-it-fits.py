# /// case
# check = "moco/queue"
# misconception = "pointer-wrap"
# about = "a batch that does not fit takes the last rows"
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
        start = min(int(self.pointer), self.size - len(k))
        self.keys[start : start + len(k)] = k
        self.held.fill_(max(int(self.held), start + len(k)))
        self.pointer.fill_((start + len(k)) % self.size)

    def negatives(self):
        return self.keys[: int(self.held)]
