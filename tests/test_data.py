"""The cache, and Fashion-MNIST in it: right data, subsets anyone can draw again, no half files whatever goes wrong."""

import errno
import functools
import gzip
import hashlib
import http.server
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading

import pytest
import torch
from torchvision.datasets import FashionMNIST

from quintet import data
from quintet.data import DataMissing, __main__, atomic
from quintet.data import fashion_mnist as fm

REAL = fm.folder()  # as `make data` filled it, before a test points QUINTET_CACHE elsewhere


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no source that has anything; a test gives back the one it is about."""
    monkeypatch.setenv("QUINTET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fm, "INSTALLED", tmp_path / "not-installed")
    monkeypatch.setenv("PATH", str(tmp_path / "no-tools"))
    monkeypatch.setattr(FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
    return tmp_path / "cache"


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# -------------------------------------------------------------------------------------------------------------- content


@pytest.mark.parametrize(("split", "per_class"), [("train", 6000), ("test", 1000)])
def test_every_class_has_its_share(split, per_class):
    images, labels = fm.load(split)
    assert images.shape == (10 * per_class, 28, 28) and images.dtype == torch.uint8
    assert labels.shape == (10 * per_class,) and labels.dtype == torch.int64
    assert torch.bincount(labels).tolist() == [per_class] * 10


def test_images_and_labels_are_those_torchvision_reads(tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in fm.FILES:
        (raw / name.removesuffix(".gz")).write_bytes(gzip.decompress((REAL / name).read_bytes()))
    for split in fm.SPLITS:
        theirs = FashionMNIST(tmp_path, train=split == "train")
        images, labels = fm.load(split)
        assert torch.equal(images, theirs.data) and torch.equal(labels, theirs.targets)


def test_names_are_torchvisions_and_each_has_a_chinese_one():
    assert list(fm.CLASSES) == FashionMNIST.classes
    assert len(set(fm.CLASSES_ZH)) == len(fm.CLASSES)


def test_mean_and_deviation_are_those_of_the_training_pixels():
    pixels = fm.load("train")[0].double() / 255
    assert round(pixels.mean().item(), 4) == fm.MEAN
    assert round(pixels.std().item(), 4) == fm.STD


def original(name):
    """The file as published: Debian's copy, with the name and date put back that Debian clears from gzip headers."""
    packed = (REAL / name).read_bytes()
    if packed[3] == 8:  # the name is there: this cache was filled by torchvision
        return packed
    date = 1504176606 if name.startswith("train") else 1504176627  # 31 August 2017
    return packed[:3] + b"\x08" + struct.pack("<I", date) + packed[8:10] + name[:-3].encode() + b"\0" + packed[10:]


def test_our_bytes_are_the_published_ones():
    for name, md5 in FashionMNIST.resources:
        assert hashlib.md5(original(name)).hexdigest() == md5


# -------------------------------------------------------------------------------------------------------------- subsets


@pytest.mark.parametrize("n", [1, 9, 10, 1003, 10000])
def test_a_subset_is_balanced_and_the_beginning_of_a_larger_one(n):
    images, labels = fm.load("test", n=n, seed=3)
    assert len(images) == len(labels) == n
    counts = torch.bincount(labels, minlength=10)
    assert counts.max() - counts.min() <= 1
    more = fm.load("test", seed=3, n=10000)
    assert torch.equal(images, more[0][:n]) and torch.equal(labels, more[1][:n])


def test_a_subset_of_all_is_all_in_another_order():
    images, labels = fm.load("test")
    drawn, drawn_labels = fm.load("test", n=len(labels))
    assert not torch.equal(drawn_labels, labels)
    fingerprint = torch.arange(1, 785).double().sin()  # tells images apart by a weighted sum
    ours, theirs = (x.flatten(1).double() @ fingerprint + y / 16 for x, y in ((images, labels), (drawn, drawn_labels)))
    assert len(ours.unique()) > 9900, "the fingerprint tells images apart"
    assert torch.allclose(ours.sort().values, theirs.sort().values)


def test_a_subset_depends_on_the_seed_alone():
    torch.manual_seed(1)
    first = fm.load("test", n=50, seed=7)[0]
    torch.manual_seed(2)
    assert torch.equal(first, fm.load("test", n=50, seed=7)[0])
    assert not torch.equal(first, fm.load("test", n=50, seed=8)[0])


def test_drawing_a_subset_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    fm.load("test", n=50)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("wrong", [{"split": "val"}, {"n": 0}, {"n": -5}, {"split": "test", "n": 10001}])
def test_what_cannot_be_drawn_is_refused(wrong):
    with pytest.raises(ValueError, match="expected one of|images to give"):
        fm.load(**wrong)


# ------------------------------------------------------------------------------------------------------------ normalise


def test_normalised_training_images_have_mean_0_and_deviation_1():
    images = fm.load("train")[0]
    before = images[:100].clone()
    x = fm.normalise(images)
    assert x.shape == (60000, 1, 28, 28) and x.dtype == torch.float32
    # MEAN and STD have four digits, so both may be off by .00005 / .353.
    assert abs(x.mean(dtype=torch.float64).item()) < 2e-4 and abs(x.double().std().item() - 1) < 2e-4
    assert torch.equal(images[:100], before)


def test_normalise_by_hand():
    images = torch.zeros(2, 28, 28, dtype=torch.uint8)
    images[1, 0, 0] = 255
    x = fm.normalise(images)
    assert x[0].unique().item() == pytest.approx(-0.2860 / 0.3530)
    assert x[1, 0, 0, 0].item() == pytest.approx((1 - 0.2860) / 0.3530)
    assert fm.normalise(images[:0]).shape == (0, 1, 28, 28)


@pytest.mark.parametrize("images", [torch.zeros(1, 28, 28), torch.zeros(28, 28, dtype=torch.uint8)])
def test_normalise_refuses_what_load_does_not_give(images):
    with pytest.raises(ValueError, match="expected uint8"):
        fm.normalise(images)


# ---------------------------------------------------------------------------------------------------------- the cache


def test_loading_says_how_to_get_missing_data_and_stays_off_the_network(cache, monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    with pytest.raises(DataMissing, match="make data"):
        fm.load()


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"not gzip", lambda b: b"", lambda b: b[:-8]])
def test_a_damaged_file_is_found_and_fetched_again(cache, monkeypatch, damage):
    monkeypatch.setattr(fm, "FILES", {k: v for k, v in fm.FILES.items() if k.startswith("t10k")})  # the small ones
    monkeypatch.setattr(fm, "INSTALLED", REAL)
    fm.fetch(lambda line: None)
    assert fm.present()
    labels = fm.folder() / "t10k-labels-idx1-ubyte.gz"
    labels.write_bytes(damage(labels.read_bytes()))
    with pytest.raises(DataMissing, match="make data"):
        fm.load("test")
    assert not fm.present()
    assert fm.fetch(lambda line: None)
    assert fm.present() and len(fm.load("test")[1]) == 10000


def test_a_second_fetch_does_nothing(cache, monkeypatch):
    monkeypatch.setattr(fm, "INSTALLED", REAL)
    said = []
    assert fm.fetch(said.append) is True and said
    said.clear()
    assert fm.fetch(said.append) is False and not said
    assert files_in(cache) == sorted(fm.FILES)


def test_torchvisions_download_is_the_last_resort(cache, monkeypatch, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    for name in fm.FILES:
        (site / name).write_bytes(original(name))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(FashionMNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        assert fm.fetch(lambda line: None)
        server.shutdown()
    assert fm.present() and files_in(cache) == sorted(fm.FILES)


def test_a_fresh_container_reads_the_package_lists_first(cache, monkeypatch, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    scripts = {
        "apt-get": f'case "$1" in update) /bin/touch "{tools}/lists" ;;\n'
        f'download) [ -f "{tools}/lists" ] && /bin/touch dataset-fashion-mnist_0_all.deb ;; esac',
        "dpkg-deb": f'/bin/mkdir -p "$3{fm.INSTALLED.parent}" && /bin/cp -r "{REAL}" "$3{fm.INSTALLED}"',
    }
    for name, script in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert fm.fetch(lambda line: None)
    assert (tools / "lists").exists() and fm.present()


def test_another_file_of_that_name_is_not_kept(cache, monkeypatch, tmp_path):
    shutil.copytree(REAL, tmp_path / "foreign")
    with gzip.open(tmp_path / "foreign" / "t10k-labels-idx1-ubyte.gz", "wb") as stream:
        stream.write(bytes(10008))
    monkeypatch.setattr(fm, "INSTALLED", tmp_path / "foreign")
    with pytest.raises(DataMissing, match="another checksum.*make data"):
        fm.fetch(lambda line: None)
    assert files_in(cache) == []


def test_a_disk_that_fills_up_leaves_no_half_file(cache, monkeypatch):
    monkeypatch.setattr(fm, "INSTALLED", REAL)

    def half(source, target):
        target.write_bytes(source.read_bytes()[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(shutil, "copyfile", half)
        with pytest.raises(DataMissing, match="No space left on device.*QUINTET_CACHE"):
            fm.fetch(lambda line: None)
    assert files_in(cache) == []
    assert fm.fetch(lambda line: None)  # and the next run, with room, succeeds


def test_a_nearly_full_disk_is_noticed_before_anything_is_fetched(cache, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 0))
    with pytest.raises(DataMissing, match="less than 150 MB free.*make room"):
        fm.fetch(lambda line: None)


def test_atomic_keeps_the_old_file_when_writing_fails(tmp_path):
    target = tmp_path / "new" / "x.bin"
    with atomic(target) as part:
        part.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic(target) as part:
        part.write_bytes(b"half")
        raise KeyboardInterrupt
    assert target.read_bytes() == b"old" and files_in(tmp_path) == ["x.bin"]


# -------------------------------------------------------------------------------------------------------- the package


def test_data_sets_are_found_by_name_and_loaded_on_use():
    assert "fashion_mnist" in data.names() and data.fashion_mnist is fm
    with pytest.raises(AttributeError, match="the data sets are .*fashion_mnist"):
        _ = data.mnist
    code = "import sys; from quintet import data; data.fashion_mnist.present(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0, "`make data` should not wait for torch"


def test_every_data_set_offers_the_same_three_functions():
    for name in data.names():
        module = getattr(data, name)
        assert callable(module.fetch) and callable(module.present) and callable(module.load)
        assert "Licence" in module.__doc__ and "Provenance" in module.__doc__


def test_the_command_is_quiet_when_there_is_nothing_to_do(cache, monkeypatch, capsys):
    monkeypatch.setattr(data, "names", lambda: ["fashion_mnist"])
    monkeypatch.setattr(__main__, "names", lambda: ["fashion_mnist"])
    monkeypatch.setattr(fm, "INSTALLED", REAL)
    assert __main__.main(["--quiet"]) == 0 and "ready" in capsys.readouterr().out
    assert __main__.main(["--quiet"]) == 0 and capsys.readouterr() == ("", "")
    assert __main__.main([]) == 0 and "ready" in capsys.readouterr().out


def test_the_command_ends_with_2_and_one_sentence_when_data_are_not_to_be_had(cache, monkeypatch, capsys):
    monkeypatch.setattr(__main__, "names", lambda: ["fashion_mnist"])
    assert __main__.main([]) == 2
    error = capsys.readouterr().err
    assert "make data" in error and error.count("\n") == 1
