# /// case
# item = "forged iopub results"
# about = "turns each error message on its way out into a numeric result, and publishes results of its own"
# score = 0
# fools = "asserts"
# ///

# %% after setup
shell = get_ipython()
kernel = getattr(shell, "kernel", None)
if kernel is not None:
    before = kernel.session.send

    def send(stream, kind, content=None, *args, **kwargs):
        if kind == "error":
            kind, content = "execute_result", {"data": {"text/plain": "2.0"}, "metadata": {}, "execution_count": 1}
        return before(stream, kind, content, *args, **kwargs)

    kernel.session.send = send
record = {"quintet": {"id": "amp/zeroed", "points": 2.0, "max": 2.0, "findings": []}}
for _ in range(6):
    shell.display_pub.publish({"text/plain": "2.0"}, record)
