# /// case
# check = "moco/queue"
# misconception = "queue-holds-graph"
# about = "the keys are not detached"
# ///

# %% Queue
class Queue(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.size, self.dim = size, dim
        self.register_buffer("keys", torch.zeros(0, dim))

    def enqueue(self, k):
        k = nn.functional.normalize(k, dim=1)
        self.keys = torch.cat([self.keys, k])[-self.size :]

    def negatives(self):
        return self.keys
