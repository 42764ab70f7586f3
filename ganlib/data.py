"""Where the images come from, and how they become batches in [-1, 1].

The images are looked for in this order, and whoever asks is told which it was:
the folder named by GANLIB_DATA, the project's own cache `data/`, torchvision's download,
and last the small real sample shipped in `ganlib/assets/sample`.
"""

import contextlib
import hashlib
import http.client
import lzma
import os
import shutil
import socket
import ssl
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import torch
from torchvision import datasets
from torchvision.transforms import Compose, Normalize, ToTensor

from ganlib import checks, files

NAMES = ("mnist", "fashion")
CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion": ("áo phông", "quần dài", "áo len", "váy liền", "áo khoác",
                "xăng đan", "áo sơ mi", "giày", "túi xách", "bốt"),
}  # fmt: skip

# The raw files of a set and their sizes in full. torchvision accepts any raw file that exists; we hold each
# against assets/SHA256SUMS.
SIZES = {
    "train-images-idx3-ubyte": 47_040_016,
    "train-labels-idx1-ubyte": 60_008,
    "t10k-images-idx3-ubyte": 7_840_016,
    "t10k-labels-idx1-ubyte": 10_008,
}

ASSETS = Path(__file__).resolve().parent / "assets"
NETWORK_ERRORS = (OSError, RuntimeError, ValueError, http.client.HTTPException)
PROBE_SECONDS = 4  # to learn whether any mirror answers at all, names looked up included
STALL_SECONDS = 5  # how long a download may stand still

_failures: dict[str, str] = {}  # why a set could not be downloaded: asked once a session, not once a call


class DataError(ValueError):
    """The images cannot be used as they are; the message (Vietnamese) says what to do."""


class MNIST(datasets.MNIST):
    """torchvision's MNIST, read from the checked raw files and never from an old, unchecked `processed/`."""

    def _check_legacy_exist(self):
        return False


class FashionMNIST(datasets.FashionMNIST):
    """torchvision's FashionMNIST, with the same care as MNIST above."""

    def _check_legacy_exist(self):
        return False


KINDS = {"mnist": MNIST, "fashion": FashionMNIST}

# ToTensor: bytes 0..255 -> FloatTensor in [0, 1]; Normalize: (x - 0.5) / 0.5 -> [-1, 1], where Tanh lives.
transform = Compose([ToTensor(), Normalize((0.5,), (0.5,))])


def to_float(pixels):
    """The transform above on whole tensors: uint8 (..., 28, 28) -> float32 (..., 1, 28, 28) in [-1, 1].

    The same float operations in the same order, so the same bits. Raises TypeError unless `pixels` is uint8.
    """
    checks.tensor("pixels", pixels, "một tensor uint8 (0 … 255)")
    checks.require(pixels.ndim >= 2, "pixels", "tensor (…, 28, 28)", pixels)
    if pixels.dtype != torch.uint8:
        raise TypeError(f"to_float cần ảnh uint8 (0 … 255), nhưng nhận được {pixels.dtype}.")
    return pixels.unsqueeze(-3).to(torch.float32).div_(255).sub_(0.5).div_(0.5)


def to_pixels(images):
    """Float images in [-1, 1], any shape -> uint8 of the same shape, for showing and saving."""
    checks.tensor("images", images, "một tensor số thực trong [-1, 1]")
    checks.require(images.is_floating_point(), "images", "tensor số thực trong [-1, 1]", images, TypeError)
    checks.require(not images.isnan().any(), "images", "số thực trong [-1, 1], không có NaN", images)
    return images.detach().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True, eq=False)
class Images:
    """One split of one data set, held whole as bytes: 47 MB where float32 would take 188."""

    name: str  # "mnist" or "fashion"
    pixels: torch.Tensor  # (N, 28, 28) uint8
    labels: torch.Tensor  # (N,) int64
    source: str  # "GANLIB_DATA", "cache", "download" or "sample"
    message: str  # a Vietnamese sentence: where the images came from

    def __len__(self):
        return len(self.pixels)

    def batch(self, indices):
        """The images at `indices`: float32 (m, 1, 28, 28) in [-1, 1], bit for bit what `dataset` gives."""
        try:
            return to_float(self.pixels[indices])
        except (IndexError, TypeError, ValueError, RuntimeError) as error:
            expected = f"số thứ tự của ảnh, từ 0 đến {len(self) - 1}"
            raise ValueError(f"indices phải là {expected}; đã nhận {checks.brief(indices)}.") from error


def dataset(name="mnist", train=True, transform=transform):
    """torchvision's own data set; an item is (image, label), the image (1, 28, 28) float32 in [-1, 1].

    Raises DataError (see `load`).
    """
    return _open(name, train, transform)[0]


def load(name="mnist", train=True):
    """The whole training (or test) split as one `Images`.

    Raises DataError: unknown name, files missing or not the real ones, a cache that cannot be written.
    """
    data, source, message = _open(name, train, None)
    return Images(name, data.data, data.targets, source, message)


def cache_folder():
    """The project's own `data/`; a folder in the reader's home if ganlib stands outside its project."""
    project = Path(__file__).resolve().parent.parent
    return project / "data" if (project / "pyproject.toml").exists() else Path.home() / ".cache" / "ganlib"


def _open(name, train, transform):
    """(torchvision data set, source, Vietnamese message) from the first source that has the images."""
    if not isinstance(name, str) or name not in NAMES:
        raise DataError(f"Không có bộ dữ liệu tên {name!r}. Hãy chọn một trong hai: 'mnist' hoặc 'fashion'.")
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
    kind, sample = KINDS[name], ASSETS / "sample"
    with tempfile.TemporaryDirectory(prefix="ganlib-") as folder:
        raw = Path(kind.__name__, "raw")
        Path(folder, raw).mkdir(parents=True)
        for file in SIZES:
            with contextlib.suppress(OSError, EOFError, lzma.LZMAError):  # the check names what is missing
                content = lzma.decompress((sample / raw / f"{file}.xz").read_bytes())
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
        try:
            content = Path(root, path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            faults.append(f"  - thiếu tệp {path}")
        except OSError as error:
            faults.append(f"  - không đọc được tệp {path} ({error.strerror})")
        else:
            if not sample and len(content) != size:
                faults.append(f"  - tệp {path} dài {len(content):,} byte, đúng ra phải dài {size:,} byte")
            elif hashlib.sha256(content).hexdigest() != digests.get(path):
                faults.append(f"  - tệp {path} có nội dung sai (SHA-256 không khớp)")
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
    elif name not in _failures and not (mirrors := _answering(KINDS[name])):
        _failures[name] = "không nối được tới máy chủ dữ liệu"
    if name in _failures:
        return False
    kind, patience = KINDS[name], socket.getdefaulttimeout()
    raw = Path(kind.__name__, "raw")
    try:
        (cache / raw).mkdir(parents=True, exist_ok=True)
        for old in files.left_behind(cache, ".download-*"):
            shutil.rmtree(old, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=cache) as folder:
            try:
                socket.setdefaulttimeout(STALL_SECONDS)  # torchvision itself would wait for ever
                type(kind.__name__, (kind,), {"mirrors": mirrors})(folder, download=True)
                _check(folder, kind, "")
            except NETWORK_ERRORS:
                _failures[name] = "tải về không thành công"
                return False
            finally:
                socket.setdefaulttimeout(patience)
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


def _answering(kind):
    """The mirrors that answer within PROBE_SECONDS, all asked at once."""

    def ask(mirror):  # in a thread, as looking up a name has no timeout
        request = urllib.request.Request(mirror + kind.resources[0][0], method="HEAD")
        try:
            urllib.request.urlopen(request, timeout=PROBE_SECONDS).close()
        except NETWORK_ERRORS as error:
            if not isinstance(getattr(error, "reason", None), ssl.SSLError):
                return  # without certificates torchvision itself goes on over http
        answered.append(mirror)

    answered, deadline = [], time.monotonic() + PROBE_SECONDS
    threads = [threading.Thread(target=ask, args=(mirror,), daemon=True) for mirror in kind.mirrors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    return [mirror for mirror in kind.mirrors if mirror in answered]
