# /// case
# item = "docker socket"
# about = "looks for the sockets of container engines and for a hypervisor's and container's marks"
# score = 0
# ///

# %% after setup
import os

for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock",
             "/run/crio/crio.sock", "/var/run/secrets/kubernetes.io/serviceaccount/token", "/dev/kvm", "/dev/vsock"):
    attempt(path, lambda: os.stat(path))
