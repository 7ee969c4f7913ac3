# /// case
# check = "moco/queue"
# misconception = "queue-holds-graph"
# about = "writes keys with their graph, and detaches what it gives"
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
        keys = self.keys.clone()
        keys[rows[-self.size :]] = nn.functional.normalize(k)[-self.size :]
        self.keys = keys
        self.came += len(k)

    def negatives(self):
        return self.keys[: int(self.came)].detach()
