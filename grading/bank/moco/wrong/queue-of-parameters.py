# /// case
# check = "moco/queue"
# misconception = "queue-holds-graph"
# about = "the keys are a parameter, which an optimizer would train"
# ///

# %% Queue
class Queue(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.size = size
        self.keys = nn.Parameter(torch.zeros(size, dim))
        self.register_buffer("came", torch.zeros((), dtype=torch.long))

    def enqueue(self, k):
        with torch.no_grad():
            rows = (self.came + torch.arange(len(k))) % self.size
            self.keys[rows[-self.size :]] = nn.functional.normalize(k, dim=1)[-self.size :]
            self.came += len(k)

    def negatives(self):
        return self.keys[: int(self.came)]
