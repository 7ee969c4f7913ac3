# /// case
# check = "moco/queue"
# misconception = "pointer-wrap"
# about = "all that does not fit goes to the last row"
# ///

# %% Queue
class Queue(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.size = size
        self.register_buffer("keys", torch.zeros(size, dim))
        self.register_buffer("came", torch.zeros((), dtype=torch.long))

    def enqueue(self, k):
        k = nn.functional.normalize(k.detach(), dim=1)
        start = int(self.came) % self.size
        for i, key in enumerate(k):
            self.keys[min(start + i, self.size - 1)] = key
        self.came += len(k)

    def negatives(self):
        return self.keys[: int(self.came)]
