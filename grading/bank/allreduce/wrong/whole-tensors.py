# /// case
# check = "allreduce/allreduce"
# misconception = "whole-tensors"
# about = "passes whole tensors round the ring and adds up"
# ///

# %% allreduce
def allreduce(comm, x, mean=False):
    total, passed = x.clone(), x
    for _ in range(comm.world - 1):
        sent = comm.isend(passed, (comm.rank + 1) % comm.world)
        passed = comm.recv((comm.rank - 1) % comm.world)
        sent.wait()
        total += passed
    if mean:
        total = total.double() / comm.world if not x.is_floating_point() else total / comm.world
    return total
