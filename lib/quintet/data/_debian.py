"""Files of Debian packages, without installing these: no root is needed, and nothing on the machine changes."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path


class Unavailable(Exception):
    """This source cannot give the files; the next one is tried."""


def unpack(package: str, scratch: Path, say: Callable[[str], None], line: str) -> Path:
    """The folder in `scratch` that stands for `/` in the package. Raises Unavailable where it is not to be had.

    line: said before the download starts.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise Unavailable("no apt-get here")
    say(line)
    download = ["apt-get", "download", "-o", "Acquire::Retries=2", "-o", "APT::Sandbox::User=root", package]
    if not _run(download, scratch) and os.geteuid() == 0:  # a fresh container has no package lists yet
        _run(["apt-get", "update", "-qq"], scratch)
        _run(download, scratch)
    packages = list(scratch.glob(f"{package}_*.deb"))
    if not packages:
        raise Unavailable(f"apt-get does not get {package}")
    if not _run(["dpkg-deb", "-x", packages[0].name, "unpacked"], scratch):
        raise Unavailable(f"{packages[0].name} does not unpack")
    return scratch / "unpacked"


def _run(command: list[str], where: Path) -> bool:
    """Run a tool with its progress on our stdout. Its complaints are dropped: what it did is judged by what it left."""
    try:
        done = subprocess.run(command, cwd=where, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=900)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
