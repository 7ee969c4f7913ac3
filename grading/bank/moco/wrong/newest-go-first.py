# /// case
# check = "moco/queue"
# about = "once full, the newest keys make room"
# ///

# %% Queue
class Queue(nn.Module):
    def __init__(self, size, dim):
        super().__init__()
        self.size = size
        self.register_buffer("keys", torch.zeros(0, dim))

    def enqueue(self, k):
        k = nn.functional.normalize(k.detach(), dim=1)[-self.size :]
        self.keys = torch.cat([self.keys[: self.size - len(k)], k])

    def _load_from_state_dict(self, state, prefix, *args):
        self.keys = state[prefix + "keys"].clone()
        super()._load_from_state_dict(state, prefix, *args)

    def negatives(self):
        return self.keys
