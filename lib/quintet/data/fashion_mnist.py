"""Fashion-MNIST: 60,000 + 10,000 grey images of clothes, 28 x 28 pixels, 10 classes of equal size.

Licence: MIT, copyright 2017 Zalando SE.
Provenance: github.com/zalandoresearch/fashion-mnist, as packed in Debian's `dataset-fashion-mnist` or as torchvision
downloads it. The two gzip files differ in their headers only (Debian clears name and date), so the unpacked bytes are
what is verified here.
Citation: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
Algorithms", arXiv:1708.07747, 2017.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import math
import shutil
import socket
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from quintet.data import DataMissing, atomic, cache_dir, intact
from quintet.data._debian import Unavailable, unpack

if TYPE_CHECKING:  # torch takes seconds to import, and `make data` and `quintet doctor` do without it
    import torch

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
CLASSES_ZH = ("T恤/上衣", "裤子", "套头衫", "连衣裙", "外套", "凉鞋", "衬衫", "运动鞋", "包", "短靴")
MEAN, STD = 0.2860, 0.3530  # of all training pixels, scaled to 0...1

# SHA-256 of the unpacked files.
FILES = {
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
SPLITS = {"train": "train", "test": "t10k"}
PACKAGE = "dataset-fashion-mnist"
INSTALLED = Path("/usr/share/datasets/fashion-mnist")
NEEDS_BYTES = 150_000_000  # 31 MB to keep; the package and its unpacked copy stand beside it for a moment
REMEDY = "Run `make data` on a machine with a network (or copy its cache here and set QUINTET_CACHE)"


def folder() -> Path:
    return cache_dir() / "fashion_mnist"


def present() -> bool:
    """Are all four files in the cache, whole and unchanged?"""
    return all(intact(folder() / name, digest) for name, digest in FILES.items())


def load(split: str = "train", n: int | None = None, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 28, 28) uint8 and labels (N,) int64 of the "train" or "test" split.

    `n` draws a subset whose class counts differ by at most one. It depends on `seed` alone, and a smaller subset is the
    beginning of a larger one, so that figures for n = 1,000 and n = 2,000 share their first thousand images.
    """
    import torch

    if split not in SPLITS:
        raise ValueError(f"split is {split!r}, expected one of {', '.join(map(repr, SPLITS))}")
    images = torch.frombuffer(_read(f"{SPLITS[split]}-images-idx3-ubyte.gz"), dtype=torch.uint8, offset=16)
    labels = torch.frombuffer(_read(f"{SPLITS[split]}-labels-idx1-ubyte.gz"), dtype=torch.uint8, offset=8)
    images, labels = images.view(-1, 28, 28), labels.long()  # (N, 28, 28), (N,)
    if n is None:
        return images, labels
    if not 1 <= n <= len(labels):
        raise ValueError(f"n is {n}, but the {split} split has 1 to {len(labels)} images to give")
    pick = _balanced(labels, n, seed)
    return images[pick], labels[pick]


def normalise(images: torch.Tensor) -> torch.Tensor:
    """uint8 images (N, 28, 28) as float32 (N, 1, 28, 28), with mean 0 and deviation 1 over the training split."""
    import torch

    if images.dtype != torch.uint8 or images.ndim != 3:
        raise ValueError(f"images are {images.dtype} {tuple(images.shape)}, expected uint8 (N, 28, 28) as load() gives")
    return images.unsqueeze(1).float().div_(255).sub_(MEAN).div_(STD)


def fetch(say: Callable[[str], None] = print) -> bool:
    """Put the four files into the cache unless they are there; True if that took doing.

    Sources in turn: Debian's package where it is installed, the package unpacked without installing it (no root
    needed), torchvision's download. Only files with the right checksum are kept.
    """
    if present():
        return False
    reasons = []
    try:
        cache_dir().mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(cache_dir()).free < NEEDS_BYTES:
            raise OSError(f"the disk has less than {NEEDS_BYTES // 10**6} MB free")
        # Inside the cache, so that what does not fit is noticed on the disk it is meant for.
        with tempfile.TemporaryDirectory(dir=cache_dir(), prefix=".part-") as scratch:
            for source in (_installed, _debian, _torchvision):
                try:
                    _keep(source(Path(scratch), say))
                    return True
                except Unavailable as reason:
                    reasons.append(str(reason))
    except OSError as error:
        raise DataMissing(
            f"Fashion-MNIST cannot be written to {cache_dir()} ({error.strerror or error}): make room or set "
            "QUINTET_CACHE to a folder that can be written, then run `make data`."
        ) from error
    raise DataMissing(f"Fashion-MNIST could not be fetched ({'; '.join(reasons)}). {REMEDY}.")


def _keep(found: Path) -> None:
    for name, digest in FILES.items():
        if not intact(found / name, digest):
            raise Unavailable(f"{found / name} is absent or has another checksum")
    for name in FILES:
        with atomic(folder() / name) as part:
            shutil.copyfile(found / name, part)


def _installed(scratch: Path, say: Callable[[str], None]) -> Path:
    if not INSTALLED.is_dir():
        raise Unavailable(f"Debian package {PACKAGE} is not installed")
    say(f"Fashion-MNIST: from the installed Debian package {PACKAGE}")
    return INSTALLED


def _debian(scratch: Path, say: Callable[[str], None]) -> Path:
    line = f"Fashion-MNIST: unpacking Debian package {PACKAGE} (31 MB)"
    return unpack(PACKAGE, scratch, say, line) / INSTALLED.relative_to("/")


def _torchvision(scratch: Path, say: Callable[[str], None]) -> Path:
    from torchvision.datasets import FashionMNIST

    say("Fashion-MNIST: downloading with torchvision (31 MB)")
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(60)  # torchvision sets none, and a silent network would hold us for ever
    try:
        with contextlib.redirect_stderr(sys.stdout):  # its progress bar
            FashionMNIST(scratch, download=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: every mirror failed, or a checksum did
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise Unavailable("torchvision's download did not succeed") from error
    finally:
        socket.setdefaulttimeout(patience)
    return scratch / "FashionMNIST" / "raw"


def _read(name: str) -> bytearray:
    """A whole idx file, unpacked: big-endian magic 0x0000080d (uint8, d axes), d axis lengths, then the bytes."""
    try:
        # A bytearray, as torch wants memory that it may write to.
        raw = bytearray(gzip.decompress((folder() / name).read_bytes()))
    except FileNotFoundError:
        raise DataMissing(f"Fashion-MNIST is not in {folder()}. {REMEDY}.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataMissing(f"{folder() / name} is damaged ({error}). {REMEDY}.") from error
    axes = int(name.split("-idx")[1][0])
    header = 4 * (axes + 1)
    magic, *lengths = struct.unpack(f">{axes + 1}I", raw[:header].ljust(header, b"\0"))
    if magic != 0x0800 + axes or len(raw) != header + math.prod(lengths):
        raise DataMissing(f"{folder() / name} is not the idx file it should be. {REMEDY}.")
    return raw


def _balanced(labels: torch.Tensor, n: int, seed: int) -> torch.Tensor:
    """Indices (n,): rounds of one image of every class, classes in random order within a round."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    members = [torch.nonzero(labels == c).flatten() for c in range(len(CLASSES))]
    members = torch.stack([m[torch.randperm(len(m), generator=generator)] for m in members])  # (class, round)
    rounds = range(members.shape[1])
    order = torch.stack([torch.randperm(len(CLASSES), generator=generator) for _ in rounds])  # (round, class)
    return members.T.gather(1, order).flatten()[:n]
