# /// case
# check = "moco/queue"
# misconception = "queue-not-normalised"
# about = "keeps the keys as they come"
# ///

# %% Queue
class Queue(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.size = size
        self.register_buffer("keys", torch.zeros(size, dim))
        self.register_buffer("came", torch.zeros((), dtype=torch.long))

    def enqueue(self, k):
        rows = (self.came + torch.arange(len(k))) % self.size
        self.keys[rows[-self.size :]] = k.detach()[-self.size :]
        self.came += len(k)

    def negatives(self):
        return self.keys[: int(self.came)]
