# /// case
# check = "moco/queue"
# misconception = "pointer-wrap"
# about = "refuses a batch whose size does not divide the queue's, as the paper's code does"
# ///

# %% Queue
class Queue(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.size = size
        self.register_buffer("keys", torch.zeros(size, dim))
        self.register_buffer("came", torch.zeros((), dtype=torch.long))

    def enqueue(self, k):
        assert self.size % len(k) == 0
        start = int(self.came) % self.size
        self.keys[start : start + len(k)] = nn.functional.normalize(k.detach())
        self.came += len(k)

    def negatives(self):
        return self.keys[: int(self.came)]
