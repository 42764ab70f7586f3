"""Images, and batches of them in [-1, 1], as notebook 01 teaches it. Where they come from: ganlib.sources."""

from dataclasses import dataclass

import torch
from torchvision.transforms import Compose, Normalize, ToTensor

from ganlib import check
from ganlib.sources import ASSETS, DataError, open_set  # noqa: F401, offered here too

NAMES = ("mnist", "fashion")
TITLES = {"mnist": "MNIST", "fashion": "FashionMNIST"}
CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion": ("áo phông", "quần dài", "áo len", "váy liền", "áo khoác",
                "xăng đan", "áo sơ mi", "giày", "túi xách", "bốt"),
}  # fmt: skip

# ToTensor: bytes 0..255 -> FloatTensor in [0, 1]; Normalize: (x - 0.5) / 0.5 -> [-1, 1], where Tanh lives.
transform = Compose([ToTensor(), Normalize((0.5,), (0.5,))])


def to_float(pixels):
    """The transform above on whole tensors: uint8 (..., 28, 28) -> float32 (..., 1, 28, 28) in [-1, 1].

    The same float operations in the same order, so the same bits. Raises TypeError unless `pixels` is uint8.
    """
    check.tensor("pixels", pixels, "một tensor uint8 (0 … 255)")
    if pixels.dtype != torch.uint8:
        raise TypeError(f"to_float cần ảnh uint8 (0 … 255); đã nhận {pixels.dtype}.")
    return pixels.unsqueeze(-3).to(torch.float32).div_(255).sub_(0.5).div_(0.5)


def to_pixels(images):
    """Float images in [-1, 1], any shape -> uint8 of the same shape, for showing and saving."""
    check.tensor("images", images, "một tensor số thực trong [-1, 1]")
    ok = images.is_floating_point() and not images.isnan().any()
    check.require(ok, "images", "tensor số thực trong [-1, 1], không có NaN", images)
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
        except (IndexError, TypeError) as error:
            expected = f"số thứ tự của ảnh, từ 0 đến {len(self) - 1}"
            raise ValueError(f"indices phải là {expected}; đã nhận {check.brief(indices)}.") from error


def canonical(name):
    """ "mnist" or "fashion" for any usual way to write them: "MNIST", "FashionMNIST", … Raises DataError."""
    plain = str(name).lower().replace("-", "").replace("_", "")
    for known in NAMES:
        if plain in (known, TITLES[known].lower()):
            return known
    raise DataError(f"Không có bộ dữ liệu tên {name!r}. Hãy chọn một trong hai: 'mnist' hoặc 'fashion'.")


def dataset(name="mnist", train=True, transform=transform):
    """torchvision's own data set; an item is (image, label), the image (1, 28, 28) float32 in [-1, 1].

    Raises DataError (see `load`).
    """
    return open_set(canonical(name), train, transform)[0]


def load(name="mnist", train=True):
    """The whole training (or test) split of "mnist" or "fashion" as one `Images`.

    Raises DataError: unknown name, files missing or not the real ones, a cache that cannot be written.
    """
    name = canonical(name)
    data, source, message = open_set(name, train, None)
    return Images(name, data.data, data.targets, source, message)
