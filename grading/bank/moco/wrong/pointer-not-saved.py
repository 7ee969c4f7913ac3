# /// case
# check = "moco/queue"
# misconception = "queue-not-saved"
# about = "the keys are in the state_dict, their place is not"
# ///

# %% Queue
class Queue(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.size, self.came = size, 0
        self.register_buffer("keys", torch.zeros(size, dim))
        self.register_buffer("held", torch.zeros((), dtype=torch.long))

    def enqueue(self, k):
        rows = (self.came + torch.arange(len(k))) % self.size
        self.keys[rows[-self.size :]] = nn.functional.normalize(k.detach(), dim=1)[-self.size :]
        self.came += len(k)
        self.held.fill_(min(self.came, self.size))

    def negatives(self):
        return self.keys[: int(self.held)]
