"""Where the images come from: the folder named by GANLIB_DATA, the project's own cache `data/`,
torchvision's download, and last the small real sample in `ganlib/assets/sample`; in this order.

Whoever asks is told which it was. Every raw file is held against SHA256SUMS before it is read.
"""

import contextlib
import hashlib
import lzma
import os
import socket
import tempfile
import threading
import time
from pathlib import Path

from torchvision import datasets

SIZES = {  # the raw files of a set, in bytes; torchvision accepts any file that exists
    "train-images-idx3-ubyte": 47_040_016,
    "train-labels-idx1-ubyte": 60_008,
    "t10k-images-idx3-ubyte": 7_840_016,
    "t10k-labels-idx1-ubyte": 10_008,
}

ASSETS = Path(__file__).resolve().parent / "assets"
SILENCE = 3  # seconds that a mirror may keep silent before the next one is asked
PATIENCE = 8  # seconds that a whole download may stand still (looking up a name has no limit of its own)

_failures: dict[str, str] = {}  # why a set could not be downloaded: asked once a session, not once a call


class DataError(ValueError):
    """The images cannot be used as they are; the message (Vietnamese) says what to do."""


class MNIST(datasets.MNIST):
    """torchvision's MNIST, read from the checked raw files and never from an old, unchecked `processed/`."""

    def _check_legacy_exist(self):
        return False


class FashionMNIST(datasets.FashionMNIST, MNIST):
    """The same of FashionMNIST."""


KINDS = {"mnist": MNIST, "fashion": FashionMNIST}


def cache_folder():
    """The project's own `data/`; a folder in the reader's home if ganlib stands outside its project."""
    project = Path(__file__).resolve().parent.parent
    return project / "data" if (project / "pyproject.toml").exists() else Path.home() / ".cache" / "ganlib"


def open_set(name, train, transform):
    """(torchvision data set, source, Vietnamese message) from the first source that has the images."""
    kind, named = KINDS[name], os.environ.get("GANLIB_DATA")
    root = Path(named).expanduser() if named else cache_folder()
    if named:
        source, where = "GANLIB_DATA", "trong thư mục bạn chỉ ra bằng GANLIB_DATA"
        _check(root, kind, f"GANLIB_DATA phải trỏ tới thư mục chứa {kind.__name__}/raw/, trong đó có bốn tệp "
               f"IDX đã giải nén (không còn đuôi .gz): {', '.join(SIZES)}.\nHãy sửa đường dẫn hoặc các tệp; "
               "hoặc bỏ biến GANLIB_DATA để ganlib tự tìm dữ liệu.")  # fmt: skip
    elif any(os.path.lexists(root / kind.__name__ / "raw" / file) for file in SIZES):
        source, where = "cache", f"có sẵn trên máy (thư mục {root.name}/)"
        _check(root, kind, "ganlib không tự xoá tệp nào của bạn. Hãy xoá hoặc đổi tên thư mục "
               f"{root / kind.__name__} rồi chạy lại: dữ liệu sẽ được tải lại từ đầu.")  # fmt: skip
    elif _download(name, root):
        source, where = "download", f"vừa tải về thư mục {root.name}/"
    else:
        return _open_sample(name, train, transform)
    data = kind(root, train, transform)
    return data, source, f"{kind.__name__}: {_count(data)}, bộ đầy đủ, {where}."


def _open_sample(name, train, transform):
    """The same from the shipped sample, unpacked into a temporary folder for torchvision to read."""
    kind = KINDS[name]
    with tempfile.TemporaryDirectory(prefix="ganlib-") as folder:
        raw = Path(kind.__name__, "raw")
        Path(folder, raw).mkdir(parents=True)
        for file in SIZES:
            with contextlib.suppress(OSError, EOFError, lzma.LZMAError):  # the check names what is missing
                content = lzma.decompress((ASSETS / "sample" / raw / f"{file}.xz").read_bytes())
                Path(folder, raw, file).write_bytes(content)
        advice = "Đây là bộ mẫu đi kèm ganlib: hãy lấy lại thư mục ganlib/assets/sample từ kho mã."
        _check(folder, kind, advice, sample=True)
        data = kind(folder, train, transform)
    message = (
        f"{kind.__name__}: {_count(data)}, BỘ MẪU đi kèm ganlib ({_failures[name]}). Đây là ảnh thật, nhưng "
        "chỉ là một phần của bộ đầy đủ (60,000 ảnh huấn luyện, 10,000 ảnh kiểm tra). Muốn dùng bộ đầy đủ: "
        "nối mạng, khởi động lại kernel (Restart) rồi chạy lại; hoặc đặt GANLIB_DATA trỏ tới thư mục chứa "
        f"{kind.__name__}/raw/."
    )
    return data, "sample", message


def _count(data):
    return f"{len(data):,} ảnh {'huấn luyện' if data.train else 'kiểm tra'}"


def _check(root, kind, advice, sample=False):
    """Raises DataError naming each raw file of `kind` under `root` that is not as in SHA256SUMS."""
    sums = ASSETS / ("sample" if sample else "") / "SHA256SUMS"
    lines = sums.read_text(encoding="utf-8", errors="replace").splitlines()
    digests = {line[66:]: line[:64] for line in lines}
    faults = []
    for file, size in SIZES.items():
        path = f"{kind.__name__}/raw/{file}"
        place = Path(root, path)
        try:
            if not place.is_file():  # a pipe or a device could be read for ever
                faults.append(
                    f"  - thiếu tệp {path}" + " (ở đó có thứ khác, không phải tệp)" * place.exists()
                )
            elif not sample and place.stat().st_size != size:
                found = place.stat().st_size
                faults.append(f"  - tệp {path} dài {found:,} byte, đúng ra phải dài {size:,} byte")
            elif hashlib.sha256(place.read_bytes()).hexdigest() != digests.get(path):
                faults.append(f"  - tệp {path} có nội dung sai (SHA-256 không khớp)")
        except OSError as error:
            faults.append(f"  - không đọc được tệp {path} ({error.strerror})")
    if faults:
        headline = f"Bộ {kind.__name__} trong thư mục {root} không dùng được:"
        raise DataError("\n".join([headline, *faults, advice]))


def _download(name, cache):
    """Fetch a set into the cache: True, or False with the reason (Vietnamese) in `_failures`.

    It arrives in a temporary folder beside its place, is checked, and only then moved there.
    Raises DataError if the cache cannot be written.
    """
    if os.environ.get("GANLIB_OFFLINE", "0") not in ("", "0"):
        _failures[name] = "GANLIB_OFFLINE đang bật nên không tải gì từ mạng"
    if name in _failures:
        return False
    kind = KINDS[name]
    raw = Path(kind.__name__, "raw")
    try:
        (cache / raw).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=".download-", dir=cache, ignore_cleanup_errors=True
        ) as folder:
            if not _fetch(kind, folder):
                _failures[name] = "không tải được dữ liệu từ mạng"
                return False
            for packed in Path(folder, raw).glob("*.gz"):
                packed.unlink()
            try:  # all four at once, so that no other process finds only some of them
                os.replace(Path(folder, raw), cache / raw)
            except OSError:  # something else lies there already (or this is Windows)
                for file in SIZES:
                    os.replace(Path(folder, raw, file), cache / raw / file)
    except OSError as error:
        raise DataError(
            f"Không ghi được vào thư mục {cache} ({error.strerror}). Hãy cấp quyền ghi cho thư mục ấy; "
            "hoặc đặt GANLIB_DATA trỏ tới nơi đã có dữ liệu; hoặc đặt GANLIB_OFFLINE=1 để dùng bộ mẫu đi kèm."
        ) from error
    return True


def _fetch(kind, folder):
    """torchvision's download into the folder: whether all of it came and is right.

    It runs in a thread that is left alone once nothing has come for PATIENCE seconds.
    """
    done = []

    def work():
        for mirror in kind.mirrors:  # one by one: torchvision asks no other once one has kept silent
            with contextlib.suppress(Exception):  # whatever a network can do: no file, no success
                if Path(folder).exists():  # else nobody waits for us any more
                    type(kind.__name__, (kind,), {"mirrors": [mirror]})(folder, download=True)
                    _check(folder, kind, "")
                    return done.append(True)

    patience, arrived, since = socket.getdefaulttimeout(), 0, time.monotonic()
    socket.setdefaulttimeout(SILENCE)  # torchvision itself would wait for ever
    try:
        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        while worker.is_alive() and time.monotonic() - since < PATIENCE:
            worker.join(0.1)
            size = sum(path.stat().st_size for path in Path(folder).rglob("*ubyte*"))
            if size != arrived:
                arrived, since = size, time.monotonic()
    finally:
        socket.setdefaulttimeout(patience)
    return bool(done)
