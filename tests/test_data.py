"""ganlib.data: whence images come, what is refused. 127.0.0.1 plays the network, tiny sets the real ones."""

import gzip
import hashlib
import http.server
import importlib
import lzma
import multiprocessing
import os
import pickle
import random
import runpy
import shutil
import socket
import struct
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import HANGS, ROOT, spoilt
from torch.utils.data import DataLoader

import ganlib.data
from ganlib.data import NAMES, to_float, to_pixels, transform

FILES = tuple(ganlib.sources.SIZES)


def idx(array):
    """A uint8 array as the bytes of an IDX file."""
    return struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def made_up(seed, **counts):
    """{path: bytes} of both sets, of random images; `counts`: how many for training and for the test."""
    draw, files = np.random.default_rng(seed), {}
    for kind in ("MNIST", "FashionMNIST"):
        for split, count in counts.items():
            images, labels = draw.integers(0, 256, (count, 28, 28)), draw.integers(0, 10, count)
            files[f"{kind}/raw/{split}-images-idx3-ubyte"] = idx(images.astype(np.uint8))
            files[f"{kind}/raw/{split}-labels-idx1-ubyte"] = idx(labels.astype(np.uint8))
    return files


FULL, SAMPLE = made_up(0, train=30, t10k=10), made_up(1, train=20, t10k=5)
MNIST = {path: content for path, content in FULL.items() if path.startswith("MNIST")}


def put(folder, files, pack=bytes, suffix=""):
    for path, content in files.items():
        place = folder / f"{path}{suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(pack(content))


def lying_in(folder):
    """{path: bytes} of all files in the folder, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def sums(files):
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in files.items())


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """ganlib.data as a new kernel has it: an empty cache, no variables of the reader's, and no network."""
    for name in "data", "sources":
        monkeypatch.delitem(sys.modules, f"ganlib.{name}")
        monkeypatch.setattr(ganlib, name, None)
    data = importlib.import_module("ganlib.data")
    data.sources = importlib.import_module("ganlib.sources")
    for variable in ("GANLIB_DATA", "GANLIB_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("no_proxy", "*")
    data.sources.cache_folder = lambda: tmp_path / "cache"
    for kind in data.sources.KINDS.values():
        kind.mirrors = ["http://127.0.0.1:9/a/", "http://127.0.0.1:9/b/"]
    return data


@pytest.fixture
def data(fresh, tmp_path):
    """The same with tiny sets for the full ones and for the sample; the full ones lie in tmp_path/full."""
    fresh.sources.ASSETS = tmp_path / "assets"
    put(fresh.sources.ASSETS / "sample", SAMPLE, lzma.compress, ".xz")
    put(tmp_path / "full", FULL)
    (fresh.sources.ASSETS / "SHA256SUMS").write_text(sums(FULL))
    (fresh.sources.ASSETS / "sample" / "SHA256SUMS").write_text(sums(SAMPLE))
    fresh.sources.SIZES = {file: len(FULL[f"MNIST/raw/{file}"]) for file in FILES}
    return fresh


@contextmanager
def serving(data, handler):
    """One server on 127.0.0.1 is both mirrors of both sets; gives the list of what was asked of it."""
    asked = []

    class Logged(handler):
        def log_message(self, *args):
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Logged)
    server.handle_error = lambda *who: None  # we hang up on those that lie
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    for kind in data.sources.KINDS.values():
        kind.mirrors = [f"http://127.0.0.1:{server.server_port}/{kind.__name__}/raw/"] * 2
    yield asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def mirror(data, tmp_path):
    """Mirrors of the tiny sets, waited for even if busy; gives the list of what was asked of them."""
    data.sources.SILENCE, data.sources.PATIENCE = 30, 60
    put(tmp_path / "mirror", FULL, gzip.compress, ".gz")
    for kind in data.sources.KINDS.values():
        packed = [tmp_path / "mirror" / kind.__name__ / "raw" / f"{file}.gz" for file in FILES]
        kind.resources = [(path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in packed]

    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=tmp_path / "mirror")

    with serving(data, Files) as asked:
        yield asked


def within(work):
    """What `work` returns or raises; an error if it hangs."""
    future = Future()

    def run():
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future.result(HANGS)


def test_named_folder_then_cache_then_download_then_sample(data, tmp_path, mirror, monkeypatch):
    old = {f"MNIST/processed/{half}.pt": b"an unchecked pickle, never read" for half in ("training", "test")}
    put(tmp_path / "full", old)
    put(tmp_path / "cache", FULL)
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "full"))
    images = data.load("mnist")
    assert images.source == "GANLIB_DATA" and "GANLIB_DATA" in images.message and len(images) == 30
    monkeypatch.delenv("GANLIB_DATA")
    assert data.load("mnist").source == "cache" and mirror == []
    shutil.rmtree(tmp_path / "cache")
    first, second = data.load("mnist", train=False), data.load("mnist")
    assert (first.source, second.source) == ("download", "cache")
    assert str(tmp_path) not in first.message + second.message  # committed notebooks name no one's folders
    assert lying_in(tmp_path / "cache") == MNIST
    assert socket.getdefaulttimeout() is None  # our patience was for the download only
    mirror.clear()
    monkeypatch.setenv("GANLIB_OFFLINE", "1")
    images = data.load("fashion")
    assert images.source == "sample" and "GANLIB_OFFLINE" in images.message and mirror == []


def test_usual_names(data, tmp_path, monkeypatch):
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "full"))
    for name in ("MNIST", "fashion", "FashionMNIST", "fashion-mnist"):
        known, kind = ("fashion", "FashionMNIST") if "ashion" in name else ("mnist", "MNIST")
        images = data.load(name, train=False)
        assert images.name == known and type(data.dataset(name)).__name__ == kind
        assert idx(images.pixels.numpy()) == FULL[f"{kind}/raw/t10k-images-idx3-ubyte"]
    with pytest.raises(data.DataError, match="'mnist' hoặc 'fashion'"):
        data.load("cifar10")


LIES = {  # status (none: not a word), headers, what is said again and again with pauses, how often
    "web page": (200, {"Content-Type": "text/html"}, b"<html>Please log in to the Wi-Fi</html>", 1),
    "empty": (200, {"Content-Length": "0"}, b"", 1),
    "half": (200, {"Content-Length": "1000"}, b"half of it", 1),
    "redirect": (302, {"Location": "/login"}, b"", 1),  # to itself, for ever
    "gone": (404, {}, b"<html>404</html>", 1),
    "trickling": (200, {"Content-Length": "100000"}, b"x", 100_000),
    "silent": (None, {}, b"", 200),
    "hanging up": (None, {}, b"", 1),
}


def lying(status, headers, words, often):
    class Liar(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.log_message()
            if status:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
            for _ in range(often):
                self.wfile.write(words)
                time.sleep(0.05)

    return Liar


def refused(data, tmp_path):
    """The set is not believed: the sample instead, and nothing is left in the way."""
    images = within(lambda: data.load("mnist"))
    assert images.source == "sample" and len(images) == 20 and lying_in(tmp_path / "cache") == {}
    for words in ("không tải được", "MẪU", "60,000", "10,000", "GANLIB_DATA"):
        assert words in images.message
    assert str(tmp_path) not in images.message
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize("lie", LIES)
def test_a_mirror_that_lies_is_not_believed(data, tmp_path, lie):
    assert 2 * data.sources.SILENCE <= data.sources.PATIENCE <= 10  # torchvision knows at most two mirrors
    data.sources.SILENCE, data.sources.PATIENCE = 0.4, 2
    with serving(data, lying(*LIES[lie])) as asked:
        refused(data, tmp_path)
        before = len(asked)
        assert data.load("mnist", train=False).source == "sample" and len(asked) == before > 0


def test_a_dead_mirror(data, tmp_path):
    refused(data, tmp_path)


def test_other_content_is_not_believed(data, tmp_path, mirror):
    """The .gz files match torchvision's MD5, the raw files do not match our SHA-256."""
    (data.sources.ASSETS / "SHA256SUMS").write_text(sums(FULL | {"MNIST/raw/t10k-labels-idx1-ubyte": b""}))
    refused(data, tmp_path)
    assert len(mirror) >= 4


def test_a_hanging_name_lookup_is_left_alone(data, tmp_path, mirror, monkeypatch):
    """The thread that hangs goes on some day: it must not download behind the reader's back."""
    data.sources.PATIENCE, release, look_up = 0.3, threading.Event(), socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **b: release.wait(HANGS) and look_up(*a, **b))
    before = set(threading.enumerate())
    refused(data, tmp_path)
    release.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(HANGS)
    assert [path.name for path in (tmp_path / "cache").rglob("*")] == ["MNIST", "raw"]


def test_the_second_mirror_is_asked(data, mirror):
    second, data.sources.SILENCE = data.sources.MNIST.mirrors[0], 1
    with serving(data, lying(*LIES["silent"])):
        data.sources.MNIST.mirrors = [data.sources.MNIST.mirrors[0], second]
        assert within(lambda: data.load("mnist")).source == "download"


def test_notebooks_that_download_at_once_each_get_the_whole_set(data, tmp_path, mirror, monkeypatch):
    """However they meet, nobody finds half of it: moving into place is slow here, and the others look on."""
    fork, replace = multiprocessing.get_context("fork"), os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: (replace(*paths), time.sleep(0.1)))
    together, said = fork.Barrier(4), fork.SimpleQueue()

    def work(late):
        together.wait(HANGS)
        time.sleep(late)
        images = data.load("mnist")
        said.put((images.source, images.pixels.sum().item()))

    for step in (0, 0.05):
        processes = [fork.Process(target=work, args=(step * i,), daemon=True) for i in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(HANGS)
        assert [process.exitcode for process in processes] == [0] * 4
        sources, totals = zip(*(said.get() for _ in processes), strict=True)
        assert "download" in sources and set(sources) <= {"download", "cache"} and len(set(totals)) == 1
        assert lying_in(tmp_path / "cache") == MNIST
        shutil.rmtree(tmp_path / "cache")


def test_what_else_lies_in_the_cache_stays_and_is_not_in_the_way(data, tmp_path, mirror):
    """Half a download of the reader's, and what a download that was killed has left."""
    left = {f"MNIST/raw/{FILES[0]}.gz": b"half", ".download-killed/MNIST/raw/a": b"half"}
    put(tmp_path / "cache", left)
    assert data.load("mnist").source == "download"
    assert lying_in(tmp_path / "cache") == left | MNIST


def test_a_cache_that_cannot_be_written(data, tmp_path):
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(data.DataError, match="Không ghi được.*quyền ghi.*GANLIB_DATA.*GANLIB_OFFLINE"):
        data.load("mnist")


BROKEN = {
    "missing": (Path.unlink, "thiếu tệp"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "đúng ra phải dài"),
    "one bit": (lambda p: p.write_bytes(p.read_bytes()[:-1] + bytes([p.read_bytes()[-1] ^ 1])), "SHA-256"),
    "named pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "không phải tệp"),
    "device": (lambda path: (path.unlink(), path.symlink_to("/dev/null")), "không phải tệp"),
}


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("source", ["GANLIB_DATA", "cache"])
def test_a_broken_file_is_named_and_nothing_is_taken(data, tmp_path, mirror, monkeypatch, source, how):
    """The sample is at hand, and a mirror; neither is asked, and no file of the reader's is touched."""
    root, (spoil, says) = tmp_path / "full", BROKEN[how]
    data.sources.cache_folder = lambda: root
    if source == "GANLIB_DATA":
        monkeypatch.setenv("GANLIB_DATA", str(root))
    spoil(root / "MNIST" / "raw" / FILES[2])
    before = lying_in(root)
    with pytest.raises(data.DataError) as error:
        within(lambda: data.load("mnist"))
    (fault,) = [line for line in str(error.value).splitlines() if line.startswith("  - ")]
    assert f"MNIST/raw/{FILES[2]}" in fault and says in fault  # the other three are not blamed
    assert ("GANLIB_DATA" if source == "GANLIB_DATA" else "đổi tên thư mục") in str(error.value)
    assert data.load("fashion").source == source and lying_in(root) == before and mirror == []
    if source == "cache":
        (root / "MNIST").rename(root / "MNIST-cũ")  # as the message says
        assert data.load("mnist").source == "download"


def test_a_named_folder_without_the_layout(data, tmp_path, monkeypatch):
    for folder in ("nowhere", "full/MNIST", "assets/SHA256SUMS"):
        monkeypatch.setenv("GANLIB_DATA", str(tmp_path / folder))
        with pytest.raises(data.DataError, match=r"phải trỏ tới thư mục chứa MNIST/raw/"):
            data.load("mnist")


@pytest.mark.parametrize(
    ("variable", "root", "sums"),
    [("GANLIB_DATA", "full", "assets"), ("GANLIB_OFFLINE", "assets/sample", "assets/sample")],
)
def test_spoilt_files_are_refused_or_read_unharmed(data, tmp_path, monkeypatch, variable, root, sums):
    """The raw files, the packed ones of the sample, and the lists of checksums themselves."""
    monkeypatch.setenv(variable, str(tmp_path / root))
    true, chance = data.load("mnist"), random.Random(0)
    for path in (*(tmp_path / root / "MNIST" / "raw").iterdir(), tmp_path / sums / "SHA256SUMS"):
        content, refusals = path.read_bytes(), 0
        for _ in range(20):
            path.write_bytes(spoilt(content, chance))
            try:
                images = data.load("mnist")
            except data.DataError as error:
                refusals += "không dùng được" in str(error)
            else:
                assert torch.equal(images.pixels, true.pixels) and torch.equal(images.labels, true.labels)
        assert refusals == 20 or path.name == "SHA256SUMS" and refusals >= 5  # half is of the other set
        path.write_bytes(content)


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_is_a_balanced_part_of_the_full_set(fresh, monkeypatch, name):
    train, test = fresh.load(name), fresh.load(name, train=False)
    for images, count in ((train, 1000), (test, 100)):
        assert images.source == "sample" and images.pixels.shape == (10 * count, 28, 28)
        assert torch.bincount(images.labels, minlength=10).tolist() == [count] * 10
        assert len(images.labels[:200].unique()) == 10  # the classes come mixed, not one after the other
    if not (ROOT / "data" / fresh.TITLES[name]).exists():
        pytest.skip("no full data here")
    monkeypatch.setenv("GANLIB_DATA", str(ROOT / "data"))
    full = fresh.load(name, train=False)
    chosen = runpy.run_path(str(ROOT / "tests" / "tools" / "make_sample.py"))["balanced"](full.labels, 100)
    assert torch.equal(full.pixels[chosen], test.pixels) and torch.equal(full.labels[chosen], test.labels)


def test_batches_are_bit_for_bit_those_of_the_transform_pipeline(fresh):
    images, dataset = fresh.load("mnist", train=False), fresh.dataset("mnist", train=False)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:200]
    ((x, y),) = DataLoader(dataset, batch_size=200, sampler=order.tolist())
    assert x.dtype == images.batch(order).dtype == torch.float32 and x.shape == (200, 1, 28, 28)
    assert torch.equal(x, images.batch(order)) and torch.equal(y, images.labels[order])
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[3][0], dataset[3][0])  # as worker processes need
    with pytest.raises(ValueError, match="từ 0 đến 999"):
        images.batch(torch.tensor([1000]))


def test_every_byte_maps_as_in_the_transform_and_back():
    every = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    x = to_float(every)
    assert torch.equal(x[0], transform(every[0].numpy())) and torch.equal(to_pixels(x)[:, 0], every)
    beyond = torch.tensor([-1.2, -1.0, 0.0, 1.0, 1.2], requires_grad=True)
    assert to_pixels(beyond).tolist() == [0, 0, 128, 255, 255]
    with pytest.raises(TypeError, match="uint8"):
        to_float(torch.zeros(2, 28, 28))
    for wrong in (torch.zeros(2, dtype=torch.uint8), torch.tensor([0.0, float("nan")])):
        with pytest.raises(ValueError, match=r"\[-1, 1\]"):
            to_pixels(wrong)
