# /// case
# check = "moco/queue"
# about = "a buffer that grows, which a new queue cannot load"
# ///

# %% Queue
class Queue(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.size = size
        self.register_buffer("keys", torch.zeros(0, dim))

    def enqueue(self, k):
        k = nn.functional.normalize(k.detach(), dim=1)
        self.keys = torch.cat([self.keys, k])[-self.size :]

    def negatives(self):
        return self.keys
