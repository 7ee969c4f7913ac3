# /// case
# check = "moco/queue"
# about = "starts with random keys and always gives all rows"
# ///

# %% Queue
class Queue(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.size = size
        self.register_buffer("keys", nn.functional.normalize(torch.randn(size, dim), dim=1))
        self.register_buffer("came", torch.zeros((), dtype=torch.long))

    def enqueue(self, k):
        rows = (self.came + torch.arange(len(k))) % self.size
        self.keys[rows[-self.size :]] = nn.functional.normalize(k.detach(), dim=1)[-self.size :]
        self.came += len(k)

    def negatives(self):
        return self.keys
