"""ganlib.data: where images come from, what is refused, and that both ways to batches give the same bits.

Nothing here needs the network or the full sets: the sample plays the full set (`small`), served from
127.0.0.1 where a download is meant. Only the last tests look at the full sets, where they are there.
"""

import gzip
import hashlib
import http.server
import lzma
import os
import pickle
import runpy
import shutil
import socket
import threading
import time

import pytest
import torch
from torch.utils.data import DataLoader

from ganlib import data

FILES = tuple(data.SIZES)
BROKEN = {
    "missing": lambda path: path.unlink(),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "flipped": lambda path: path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])),
    "folder": lambda path: (path.unlink(), path.mkdir()),
}
SAYS = {"missing": "thiếu tệp", "truncated": "byte", "flipped": "SHA-256", "folder": "không đọc được"}


@pytest.fixture
def world(tmp_path, monkeypatch):
    """An empty cache, no variables of the reader's, no network."""
    for variable in (
        "GANLIB_DATA",
        "GANLIB_OFFLINE",
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(data, "_failures", {})
    for kind in data.KINDS.values():
        monkeypatch.setattr(kind, "mirrors", ["http://127.0.0.1:9/a/", "http://127.0.0.1:9/b/"])
    return tmp_path


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory):
    """Both samples in torchvision's layout, and as the .gz files that a mirror serves; for copying only."""
    root, mirror = tmp_path_factory.mktemp("unpacked"), tmp_path_factory.mktemp("mirror")
    for packed in (data.ASSETS / "sample").rglob("*.xz"):
        path = packed.relative_to(data.ASSETS / "sample").with_suffix("")
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (mirror / path.parts[0]).mkdir(exist_ok=True)
        (root / path).write_bytes(lzma.decompress(packed.read_bytes()))
        (mirror / path.parts[0] / f"{path.name}.gz").write_bytes(gzip.compress((root / path).read_bytes(), 1))
    return root, mirror


@pytest.fixture
def small(world, unpacked, monkeypatch):
    """A folder with sets that count as full: the sample's files, with their sizes and sums as expected."""
    root, assets = world / "small", world / "assets"
    shutil.copytree(unpacked[0], root)
    shutil.copytree(data.ASSETS / "sample", assets / "sample")
    shutil.copy(assets / "sample" / "SHA256SUMS", assets)
    monkeypatch.setattr(data, "ASSETS", assets)
    monkeypatch.setattr(data, "SIZES", {f: (root / "MNIST/raw" / f).stat().st_size for f in FILES})
    return root


@pytest.fixture
def serve(monkeypatch):
    """serve(handler): both sets' mirrors become a server on 127.0.0.1; gives the list of paths asked for."""
    servers = []

    def start(handler):
        asked = []

        class Logged(handler):
            def log_message(self, *args):
                asked.append(f"{self.command} {self.path}")

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Logged))
        threading.Thread(target=servers[-1].serve_forever, args=(0.05,), daemon=True).start()
        for kind in data.KINDS.values():
            address = f"http://127.0.0.1:{servers[-1].server_port}/{kind.__name__}/"
            monkeypatch.setattr(kind, "mirrors", [address])
        return asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def mirror(small, unpacked, serve, monkeypatch):
    """A mirror that serves the small sets; gives the list of paths asked for."""
    for kind in data.KINDS.values():
        packed = [(f"{file}.gz", unpacked[1] / kind.__name__ / f"{file}.gz") for file in FILES]
        md5 = [(name, hashlib.md5(path.read_bytes()).hexdigest()) for name, path in packed]
        monkeypatch.setattr(kind, "resources", md5)

    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=unpacked[1])

    return serve(Files)


def leftovers(world):
    """Every file in the cache that is not one of the raw files in its place."""
    places = {
        world / "cache" / kind.__name__ / "raw" / file for kind in data.KINDS.values() for file in FILES
    }
    return [path for path in (world / "cache").rglob("*") if path.is_file() and path not in places]


# --- the order of sources ---


def test_named_folder_comes_before_cache(small, world, monkeypatch):
    shutil.copytree(small, world / "cache")
    monkeypatch.setenv("GANLIB_DATA", str(small))
    images = data.load("mnist")
    assert images.source == "GANLIB_DATA" and "GANLIB_DATA" in images.message


def test_cache_comes_before_download(small, world, mirror):
    shutil.copytree(small, world / "cache")
    assert data.load("fashion").source == "cache"
    assert mirror == []


def test_download_fills_the_cache(small, world, mirror):
    first, second = data.load("mnist", train=False), data.load("mnist", train=True)
    assert (first.source, second.source) == ("download", "cache")
    for file in FILES:
        path = f"MNIST/raw/{file}"
        assert (world / "cache" / path).read_bytes() == (small / path).read_bytes()
    assert leftovers(world) == []
    assert socket.getdefaulttimeout() is None  # our patience was for the download only


def test_second_mirror_is_used_and_the_silent_first_not_asked_again(small, mirror, monkeypatch):
    monkeypatch.setattr(data, "PROBE_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        first = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setattr(data.MNIST, "mirrors", [first, *data.MNIST.mirrors])
        start = time.perf_counter()
        assert data.load("mnist").source == "download"
    assert time.perf_counter() - start < data.STALL_SECONDS


def test_download_keeps_what_lies_in_the_cache(small, world, mirror):
    kept = world / "cache" / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    kept.parent.mkdir(parents=True)
    kept.write_text("half a download of the reader's")
    assert data.load("mnist").source == "download"
    assert kept.read_text() == "half a download of the reader's"


def test_offline_switch_asks_nobody(small, mirror, monkeypatch):
    monkeypatch.setenv("GANLIB_OFFLINE", "1")
    images = data.load("mnist")
    assert images.source == "sample" and "GANLIB_OFFLINE" in images.message
    assert mirror == []
    monkeypatch.setenv("GANLIB_OFFLINE", "0")
    monkeypatch.setattr(data, "_failures", {})
    assert data.load("mnist").source == "download"


@pytest.mark.parametrize("name", data.NAMES)
def test_sample_says_that_it_is_the_sample(world, name):
    images = data.load(name)
    assert images.source == "sample"
    for words in ("MẪU", "10,000", "60,000", "GANLIB_DATA"):
        assert words in images.message
    assert str(world) not in images.message


# --- no network, or a bad one ---


def test_closed_port_costs_no_time(world):
    start = time.perf_counter()
    assert {data.load(name, train).source for name in data.NAMES for train in (True, False)} == {"sample"}
    assert time.perf_counter() - start < 8  # unpacking four samples is all there is to do


def test_silent_mirrors_cost_seconds_and_once(world, monkeypatch):
    monkeypatch.setattr(data, "PROBE_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        port = silent.getsockname()[1]
        monkeypatch.setattr(data.MNIST, "mirrors", [f"http://127.0.0.1:{port}/{i}/" for i in range(5)])
        times = []
        for _ in range(2):
            start = time.perf_counter()
            assert data._download("mnist", world / "cache") is False
            times.append(time.perf_counter() - start)
    assert 0.9 < times[0] < 3  # five mirrors, one wait
    assert times[1] < 0.1  # and not again


def test_hanging_name_lookup_costs_seconds(world, monkeypatch):
    monkeypatch.setattr(data, "PROBE_SECONDS", 1)
    monkeypatch.setattr(data.MNIST, "mirrors", [f"http://mirror-{i}.invalid/" for i in range(5)])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: time.sleep(5) or [])
    start = time.perf_counter()
    assert data._download("mnist", world / "cache") is False
    assert time.perf_counter() - start < 3


def test_stalled_download_gives_up(world, serve, monkeypatch):
    monkeypatch.setattr(data, "STALL_SECONDS", 0.5)
    release = threading.Event()

    class Stalls(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(200)
            self.end_headers()

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"begun")
            self.wfile.flush()
            release.wait(20)

    serve(Stalls)
    start = time.perf_counter()
    images = data.load("mnist")
    took = time.perf_counter() - start
    release.set()
    assert images.source == "sample" and "tải về không thành công" in images.message
    assert took < 5 and leftovers(world) == [] and socket.getdefaulttimeout() is None


def test_captive_portal_is_not_believed(world, serve):
    class Portal(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(b"<html>Please log in to the Wi-Fi</html>")

        do_HEAD = do_GET

    asked = serve(Portal)
    images = data.load("mnist")
    assert images.source == "sample" and "tải về không thành công" in images.message
    assert any(line.startswith("GET") for line in asked)  # it was taken for a mirror, and found out
    assert leftovers(world) == []


def test_mirror_with_other_content_is_not_believed(small, world, mirror):
    """The .gz files match torchvision's MD5, the raw files do not match ours."""
    sums = data.ASSETS / "SHA256SUMS"
    sums.write_text(sums.read_text().replace("96defee2", "00000000"))
    images = data.load("mnist")
    assert images.source == "sample" and mirror != []
    assert leftovers(world) == [] and not any((world / "cache" / "MNIST" / "raw").iterdir())


def answer(status, headers, body):
    """A server that answers every request so."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

    return Answers


LIES = {
    "empty": (200, {"Content-Length": "0"}, b""),
    "half": (200, {"Content-Length": "1000"}, b"half of it"),
    "redirect": (302, {"Location": "/login"}, b""),  # to itself, for ever
    "gone": (404, {}, b"<html>404</html>"),
    "busy": (503, {"Retry-After": "3600"}, b""),
    "bomb": (200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(10**6))),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_mirror_that_lies_is_not_believed_and_costs_seconds(world, serve, lie):
    serve(answer(*LIES[lie]))
    start = time.perf_counter()
    images = data.load("mnist")
    assert images.source == "sample" and ("tải về không" in images.message or "không nối" in images.message)
    assert time.perf_counter() - start < 10 and leftovers(world) == []


def in_other_processes(count, work):
    """`work` in so many processes at once; what each returned, as text."""
    pipes = []
    for _ in range(count):
        read, write = os.pipe()
        if os.fork() == 0:
            try:
                os.write(write, str(work()).encode())
            finally:
                os._exit(0)
        os.close(write)
        pipes.append(read)
    said = [os.read(read, 1000).decode() for read in pipes]
    for read in pipes:
        os.close(read)
        os.wait()
    return said


def test_notebooks_that_download_at_once_into_one_cache(small, world, mirror):
    """However they meet, each gets the whole set; nobody finds half of it."""
    for _ in range(5):
        said = in_other_processes(4, lambda: data.load("mnist").source)
        assert set(said) <= {"download", "cache"} and "download" in said
        assert leftovers(world) == [] and data.load("mnist").source == "cache"
        shutil.rmtree(world / "cache")


def test_a_download_that_was_killed_is_thrown_away_and_begun_again(small, world, mirror):
    torn = world / "cache" / ".download-killed"
    torn.mkdir(parents=True)
    (torn / "half").write_bytes(b"half")
    assert data.load("mnist").source == "download" and torn.exists()  # it may be another's, at work now
    shutil.rmtree(world / "cache" / "MNIST")
    os.utime(torn, (0, 0))
    assert data.load("mnist").source == "download" and not torn.exists()


# --- bad input ---


@pytest.mark.parametrize("name", ["MNIST", "cifar10", "", None, ["mnist"]])
@pytest.mark.parametrize("function", [data.load, data.dataset])
def test_unknown_name(world, function, name):
    with pytest.raises(data.DataError, match="'mnist' hoặc 'fashion'"):
        function(name)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("how", BROKEN)
def test_broken_named_folder_is_an_error(small, monkeypatch, how, file):
    """Never a silent fallback: the sample is at hand, and not taken."""
    monkeypatch.setenv("GANLIB_DATA", str(small))
    assert data.load("mnist").source == "GANLIB_DATA"
    BROKEN[how](small / "MNIST" / "raw" / file)
    with pytest.raises(data.DataError) as error:
        data.load("mnist")
    assert f"{SAYS[how]}" in str(error.value) and f"MNIST/raw/{file}" in str(error.value)
    assert str(error.value).count("  - ") == 1  # the other three are not blamed
    assert "GANLIB_DATA" in str(error.value)
    assert data.load("fashion").source == "GANLIB_DATA"


@pytest.mark.parametrize("how", BROKEN)
def test_broken_cache_is_an_error_and_stays_as_it_is(small, world, mirror, how):
    shutil.copytree(small, world / "cache")
    BROKEN[how](world / "cache" / "MNIST" / "raw" / FILES[0])
    before = {p: p.is_file() and p.read_bytes() for p in (world / "cache").rglob("*")}
    for _ in range(2):
        with pytest.raises(data.DataError, match=SAYS[how]) as error:
            data.load("mnist", train=False)
    assert "đổi tên thư mục" in str(error.value)
    assert {p: p.is_file() and p.read_bytes() for p in (world / "cache").rglob("*")} == before
    assert mirror == []


def test_advice_for_a_broken_cache_works(small, world, mirror):
    shutil.copytree(small, world / "cache")
    BROKEN["truncated"](world / "cache" / "MNIST" / "raw" / FILES[0])
    with pytest.raises(data.DataError):
        data.load("mnist")
    (world / "cache" / "MNIST").rename(world / "cache" / "MNIST-cũ")
    assert data.load("mnist").source == "download"


@pytest.mark.parametrize("layout", ["nowhere", ".", "small/MNIST", "small/MNIST/raw", "file"])
def test_named_folder_without_the_layout(small, world, monkeypatch, layout):
    (world / "file").write_text("not a folder")
    monkeypatch.setenv("GANLIB_DATA", str(world / layout))
    with pytest.raises(data.DataError, match=r"phải trỏ tới thư mục chứa MNIST/raw/"):
        data.load("mnist")


def test_cache_that_cannot_be_written(small, world, mirror):
    (world / "cache").write_text("a file where the folder should be")
    with pytest.raises(data.DataError, match="Không ghi được") as error:
        data.load("mnist")
    for way in ("quyền ghi", "GANLIB_DATA", "GANLIB_OFFLINE"):
        assert way in str(error.value)
    assert (world / "cache").read_text() == "a file where the folder should be"


def test_damaged_sample_is_an_error(small, world):
    (data.ASSETS / "sample" / "MNIST" / "raw" / f"{FILES[0]}.xz").write_bytes(b"not xz")
    with pytest.raises(data.DataError, match="bộ mẫu đi kèm"):
        data.load("mnist")
    packed = data.ASSETS / "sample" / "FashionMNIST" / "raw" / f"{FILES[1]}.xz"
    content = lzma.decompress(packed.read_bytes())
    packed.write_bytes(lzma.compress(content[:-1] + b"\x0b"))
    with pytest.raises(data.DataError, match="SHA-256"):
        data.load("fashion")


def test_old_processed_folder_is_not_read(small, monkeypatch):
    processed = small / "MNIST" / "processed"
    processed.mkdir()
    for file in ("training.pt", "test.pt"):
        torch.save((torch.zeros(3, 28, 28, dtype=torch.uint8), torch.zeros(3)), processed / file)
    monkeypatch.setenv("GANLIB_DATA", str(small))
    assert len(data.load("mnist")) == 10_000


# --- the sample ---


@pytest.mark.parametrize("name", data.NAMES)
@pytest.mark.parametrize("train, count", [(True, 1000), (False, 100)])
def test_sample_is_balanced_and_holds_different_images(world, name, train, count):
    images = data.load(name, train)
    assert images.pixels.shape == (10 * count, 28, 28) and images.pixels.dtype == torch.uint8
    assert images.labels.dtype == torch.int64
    assert torch.bincount(images.labels, minlength=10).tolist() == [count] * 10
    distinct = len(torch.unique(images.pixels.flatten(1), dim=0))
    assert distinct >= 10 * count - 5  # Fashion-MNIST itself repeats an image here and there
    first = images.labels[:200]
    assert len(first.unique()) == 10  # the classes come mixed, not one after the other


def test_sample_readme_states_the_checksums():
    readme = (data.ASSETS / "sample" / "README.md").read_text(encoding="utf-8")
    lines = (data.ASSETS / "sample" / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 8 and all(line in readme for line in lines)
    for words in ("CC BY-SA 3.0", "Yann LeCun", "Corinna Cortes", "MIT", "Zalando"):
        assert words in readme


def test_sample_is_made_the_same_again(tmp_path, monkeypatch):
    """The script's choice and its IDX writer, run on the sample itself, give the sample."""
    script = runpy.run_path(str(data.ASSETS / "sample" / "make_sample.py"))
    monkeypatch.setenv("GANLIB_OFFLINE", "1")
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path)
    images = data.load("fashion", train=False)
    assert script["balanced"](images.labels, 100).tolist() == list(range(1000))
    raw = data.ASSETS / "sample" / "FashionMNIST" / "raw"
    packed = (raw / "t10k-images-idx3-ubyte.xz").read_bytes()
    assert script["idx"](images.pixels) == lzma.decompress(packed)
    with pytest.raises(SystemExit):  # the sample is never made from the sample
        script["main"]()


def test_sample_lies_in_the_full_sets(monkeypatch):
    """Where the full sets are at hand: the script makes the very images shipped."""
    monkeypatch.setenv("GANLIB_OFFLINE", "1")
    monkeypatch.setattr(data, "_failures", {})
    script = runpy.run_path(str(data.ASSETS / "sample" / "make_sample.py"))
    for name in data.NAMES:
        full = data.load(name, train=False)
        if full.source == "sample":
            pytest.skip("no full data here")
        data._failures.setdefault(name, "không hỏi mạng")
        shipped = data._open_sample(name, False, None)[0]
        chosen = script["balanced"](full.labels, 100)
        assert torch.equal(full.pixels[chosen], shipped.data) and torch.equal(
            full.labels[chosen], shipped.targets
        )


# --- pixels and batches ---


@pytest.mark.parametrize("name", data.NAMES)
def test_tensor_way_gives_the_batches_of_the_transform_pipeline(world, name):
    """DataLoader + ToTensor + Normalize on one side, `Images.batch` on the other, one permutation."""
    images, dataset = data.load(name, train=False), data.dataset(name, train=False)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    loader = DataLoader(dataset, batch_size=128, sampler=order.tolist())
    assert len(loader) == 8
    for (x, y), indices in zip(loader, order.split(128), strict=True):
        mine = images.batch(indices)
        assert x.dtype == mine.dtype == torch.float32 and x.shape == (len(indices), 1, 28, 28)
        assert torch.equal(x, mine) and torch.equal(y, images.labels[indices])


def test_every_byte_maps_as_in_the_transform():
    every = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
    x = data.to_float(every)
    assert torch.equal(x[0], data.transform(every[0].numpy()))
    assert x.shape == (1, 1, 16, 16) and (x.min(), x.max()) == (-1, 1)
    assert torch.all(x.flatten().diff() > 0)
    assert torch.equal(data.to_pixels(x)[:, 0], every)
    assert every.flatten().tolist() == list(range(256))  # the bytes themselves stay as they were


def test_to_pixels_holds_the_range():
    x = torch.tensor([-1.2, -1.0, 0.0, 1.0, 1.2], requires_grad=True)
    pixels = data.to_pixels(x)
    assert pixels.tolist() == [0, 0, 128, 255, 255] and pixels.dtype == torch.uint8


def test_to_float_refuses_what_is_not_bytes():
    with pytest.raises(TypeError, match="uint8"):
        data.to_float(torch.zeros(2, 28, 28))


def test_data_set_goes_to_worker_processes(world):
    dataset = data.dataset("mnist", train=False)
    assert torch.equal(pickle.loads(pickle.dumps(dataset))[3][0], dataset[3][0])
    assert isinstance(dataset, data.datasets.MNIST) and not isinstance(dataset, data.datasets.FashionMNIST)


def test_images_are_held_as_bytes(world):
    images = data.load("mnist")
    assert images.pixels.element_size() * images.pixels.nelement() == 10_000 * 784
    assert len(images) == 10_000 and images.batch([0, 5]).shape == (2, 1, 28, 28)
