"""What a reader hands in, held against what is expected: one Vietnamese sentence, before any work is done."""

import math
from numbers import Integral, Real

HUGE = 10**9  # no count of anything here comes near


def require(true, name, expected, got, error=ValueError):
    """Raises unless `true`: `name` must be what is `expected`, and what was `got` in a few words."""
    if not true:
        raise error(f"{name} phải là {expected}; đã nhận {brief(got)}.")


def brief(value):
    """A value in one short line; of an array or tensor its kind, type and shape."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{type(value).__name__} {value.dtype} {tuple(value.shape)}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}… ({type(value).__name__})"


def is_whole(value, low=1, high=HUGE):
    return isinstance(value, Integral) and low <= value <= high


def is_number(value):
    """A finite real number."""
    return isinstance(value, Real) and abs(value) < (math.inf if isinstance(value, float) else 2**63)


def whole(name, value, low=1, high=HUGE):
    upper = "trở lên" if high == HUGE else f"đến {high}"
    require(is_whole(value, low, high), name, f"số nguyên từ {low} {upper}", value)


def positive(name, value):
    require(is_number(value) and value > 0, name, "một số dương, ví dụ 0.0002", value)


def widths(name, value):
    ok = isinstance(value, tuple | list) and len(value) > 0 and all(is_whole(v, 1, 100_000) for v in value)
    require(ok, name, "dãy số nguyên dương, mỗi số một lớp ẩn, ví dụ (512, 512)", value)


def texts(name, value, count):
    """`count` strings."""
    ok = isinstance(value, tuple | list) and len(value) == count and all(isinstance(t, str) for t in value)
    require(ok, name, f"dãy gồm đúng {count} chuỗi chữ", value)


def numbers(name, value):
    """The sequence (list, array, tensor) of real numbers as a float64 array (n,); NaN may be among them."""
    import numpy

    try:
        found = numpy.asarray(value, float)
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise TypeError(f"{name} phải là dãy số; đã nhận {brief(value)}.") from error
    require(found.ndim == 1, name, "dãy số", value)
    return found


def tensor(name, value, expected="một tensor của PyTorch"):
    """That it is a tensor whose numbers are at hand (and not on the device "meta")."""
    import torch

    require(isinstance(value, torch.Tensor), name, expected, value, TypeError)
    require(value.device.type != "meta", name, "tensor có dữ liệu (thiết bị 'meta' thì không)", value)


def instance(name, value, kind, expected):
    require(isinstance(value, kind), name, expected, value, TypeError)
