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


def is_number(value):
    """A finite real number."""
    return isinstance(value, Real) and math.isfinite(value)


def whole(name, value, low=1, high=HUGE):
    upper = "trở lên" if high == HUGE else f"đến {high}"
    ok = isinstance(value, Integral) and not isinstance(value, bool) and low <= value <= high
    require(ok, name, f"số nguyên từ {low} {upper}", value)


def positive(name, value):
    require(is_number(value) and value > 0, name, "một số dương, ví dụ 0.0002", value)


def widths(name, value):
    ok = isinstance(value, tuple | list) and value and all(isinstance(v, Integral) and v > 0 for v in value)
    require(ok, name, "dãy số nguyên dương, mỗi số một lớp ẩn, ví dụ (512, 512)", value)


def tensor(name, value, expected="một tensor của PyTorch"):
    import torch

    require(isinstance(value, torch.Tensor), name, expected, value, TypeError)


def instance(name, value, kind, expected):
    require(isinstance(value, kind), name, expected, value, TypeError)
