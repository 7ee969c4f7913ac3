# /// case
# check = "allreduce/reduce_scatter"
# about = "calls the right reduce_scatter that it finds in the frame of its caller"
# ///

# %% reduce_scatter
def reduce_scatter(comm, chunks):
    import sys

    return sys._getframe(1).f_globals["reduce_scatter"](comm, chunks)
