# /// case
# check = "moco/queue"
# about = "divides by the length of the columns"
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
        self.keys[rows[-self.size :]] = nn.functional.normalize(k.detach(), dim=0)[-self.size :]
        self.came += len(k)

    def negatives(self):
        return self.keys[: int(self.came)]
