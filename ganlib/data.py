"""Images, and batches of them in [-1, 1], as notebook 01 teaches it. Both sets lie in ganlib/assets, in full."""

import functools
import lzma
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torchvision import datasets
from torchvision.transforms import Compose, Normalize, ToTensor

ASSETS = Path(__file__).resolve().parent / "assets"
KINDS = {"mnist": datasets.MNIST, "fashion": datasets.FashionMNIST}
TITLES = {name: kind.__name__ for name, kind in KINDS.items()}
CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion": ("áo phông", "quần dài", "áo len", "váy liền", "áo khoác",
                "xăng đan", "áo sơ mi", "giày", "túi xách", "bốt"),
}  # fmt: skip

# ToTensor: bytes 0..255 -> FloatTensor in [0, 1]; Normalize: (x - 0.5) / 0.5 -> [-1, 1], where Tanh lives.
transform = Compose([ToTensor(), Normalize((0.5,), (0.5,))])


class DataError(ValueError):
    """The images cannot be used as they are; the message (Vietnamese) says what to do."""


def to_float(pixels):
    """The transform above on whole tensors: uint8 (28, 28), (N, 28, 28) or (N, C, H, W) -> float32 in [-1, 1].

    The same float operations in the same order, so the same bits; (N, 28, 28) becomes (N, 1, 28, 28).
    """
    if pixels.dtype != torch.uint8:
        raise TypeError(f"to_float cần ảnh uint8 (0 … 255); đã nhận {pixels.dtype}.")
    pixels = pixels.unsqueeze(-3) if pixels.ndim < 4 else pixels
    return pixels.to(torch.float32).div_(255).sub_(0.5).div_(0.5)


def to_pixels(images):
    """Float images in [-1, 1], any shape -> uint8 of the same shape, for showing and saving."""
    return images.detach().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True, eq=False)
class Images:
    """One split of one data set, held whole as bytes: 47 MB where float32 would take 188."""

    name: str  # "mnist" or "fashion"
    pixels: torch.Tensor  # (N, 28, 28) uint8
    labels: torch.Tensor  # (N,) int64

    def __len__(self):
        return len(self.pixels)

    def batch(self, indices):
        """The images at `indices`: float32 (m, 1, 28, 28) in [-1, 1], bit for bit what `dataset` gives."""
        return to_float(self.pixels[indices])


def canonical(name):
    """ "mnist" or "fashion" for any usual way to write them: "MNIST", "FashionMNIST", … Raises DataError."""
    plain = str(name).lower().replace("-", "").replace("_", "").removesuffix("mnist") or "mnist"
    if plain not in KINDS:
        raise DataError(f"Không có bộ dữ liệu tên {name!r}. Hãy chọn một trong hai: 'mnist' hoặc 'fashion'.")
    return plain


def unpacked(name, file):
    """The bytes of one of the IDX files that are shipped with ganlib. Raises DataError."""
    path = ASSETS / TITLES[name] / "raw" / f"{file}.xz"
    try:
        return lzma.decompress(path.read_bytes())
    except (OSError, lzma.LZMAError, EOFError) as error:
        raise DataError(f"Tệp {path} thiếu hoặc hỏng ({error}). Hãy cài lại ganlib.") from error


@functools.cache
def split(name, train):
    """(pixels (N, 28, 28) uint8, labels (N,) int64) of a split, read once a kernel."""
    part = "train" if train else "t10k"
    images, labels = (bytearray(unpacked(name, f"{part}-{of}-ubyte")) for of in ("images-idx3", "labels-idx1"))
    pixels = torch.frombuffer(images, dtype=torch.uint8, offset=16).view(-1, 28, 28)
    return pixels, torch.frombuffer(labels, dtype=torch.uint8, offset=8).long()


def load(name="mnist", train=True, n=None):
    """The training (or test) split of "mnist" or "fashion" as one `Images`, or its first n. Raises DataError."""
    name = canonical(name)
    pixels, labels = split(name, train)
    return Images(name, pixels[:n], labels[:n])


def folder():
    """Where torchvision finds the unpacked sets: the project's data/, or a cache where that cannot be written."""
    project = ASSETS.parent.parent
    own = (project / "pyproject.toml").exists() and os.access(project, os.W_OK)
    return project / "data" if own else Path.home() / ".cache" / "ganlib"


def unpack(name="mnist"):
    """Lay the four IDX files of a set where torchvision looks, so that nothing is downloaded; returns `folder()`.

    Raises DataError where they cannot be written.
    """
    name = canonical(name)
    raw = folder() / TITLES[name] / "raw"
    try:
        raw.mkdir(parents=True, exist_ok=True)
        for packed in (ASSETS / TITLES[name] / "raw").glob("*.xz"):
            if not (raw / packed.stem).exists():
                part = raw / f"{packed.stem}.{os.getpid()}.part"
                part.write_bytes(unpacked(name, packed.stem))
                os.replace(part, raw / packed.stem)
    except OSError as error:
        raise DataError(f"Không ghi được dữ liệu vào {raw} ({error}). Hãy giải phóng đĩa rồi chạy lại.") from error
    return folder()


def dataset(name="mnist", train=True, transform=transform):
    """torchvision's own data set; an item is (image, label), the image (1, 28, 28) float32 in [-1, 1]."""
    return KINDS[canonical(name)](unpack(name), train, transform, download=True)
