# /// case
# item = "network"
# about = "fetches through the libraries that a lab has: urllib, torch.hub, a TCP store"
# score = 0
# ///

# %% after setup
import subprocess
import urllib.request

import torch.distributed as dist

attempt("urllib", lambda: urllib.request.urlopen("http://127.0.0.1:@tcp@/", timeout=2).read())
attempt("torch.hub", lambda: torch.hub.download_url_to_file("http://127.0.0.1:@tcp@/x", "x", progress=False))
attempt("bash", lambda: subprocess.run(["bash", "-c", "echo stolen > /dev/tcp/127.0.0.1/@tcp@"], check=True, timeout=5))
