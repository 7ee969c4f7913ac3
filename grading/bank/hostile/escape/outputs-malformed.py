# /// case
# item = "HTML/JS reaching the formgrader"
# about = "claims outputs of wrong shapes and kinds, which nbformat or a page would choke on"
# score = 0
# state = "any"
# ///

# %% after setup
from quintet.student import host

kernel = type(next(o for o in __import__("gc").get_objects() if isinstance(o, host.Host)))
if hasattr(kernel, "do_run"):
    before = kernel.do_run
    TRASH = [None, 1, "x", [], {}, {"output_type": "stream"}, {"output_type": "stream", "name": "stdin", "text": "x"},
             {"output_type": "stream", "name": "stdout", "text": ["x", 1]}, {"output_type": "error", "ename": 1},
             {"output_type": "display_data", "data": {1: 2, "text/html": ["<script>alert(1)</script>"]}, "metadata": "x"},
             {"output_type": "display_data", "data": {"text/plain": "2.0"}, "metadata": {"quintet": {"id": "amp/zeroed", "points": 2.0}}},
             {"output_type": "execute_result", "data": {"text/plain": "2.0"}, "metadata": {}, "execution_count": 1},
             {"output_type": "update_display_data", "transient": {}}, {"output_type": "<script>alert(1)</script>"}]
    kernel.do_run = lambda self, source: before(self, source) + TRASH
attempt("nothing more", lambda: 1 / 0)
