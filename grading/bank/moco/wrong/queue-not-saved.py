# /// case
# check = "moco/queue"
# misconception = "queue-not-saved"
# about = "keys and count are plain attributes"
# ///

# %% Queue
class Queue(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.size = size
        self.keys = torch.zeros(size, dim)
        self.came = 0

    def enqueue(self, k):
        rows = (self.came + torch.arange(len(k))) % self.size
        self.keys[rows[-self.size :]] = nn.functional.normalize(k.detach(), dim=1)[-self.size :]
        self.came += len(k)

    def negatives(self):
        return self.keys[: int(self.came)]
