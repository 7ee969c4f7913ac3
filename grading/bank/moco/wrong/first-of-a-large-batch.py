# /// case
# check = "moco/queue"
# about = "of a batch larger than the queue the first rows stay"
# ///

# %% Queue
class Queue(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.size = size
        self.register_buffer("keys", torch.zeros(size, dim))
        self.register_buffer("came", torch.zeros((), dtype=torch.long))

    def enqueue(self, k):
        k = nn.functional.normalize(k.detach(), dim=1)[: self.size]
        rows = (self.came + torch.arange(len(k))) % self.size
        self.keys[rows] = k
        self.came += len(k)

    def negatives(self):
        return self.keys[: int(self.came)]
