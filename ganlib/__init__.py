"""Helper package of the series: it holds only what a notebook has already taught.

`import ganlib` alone is light: torch is imported by the functions that need it.
"""

import os

from ganlib import check

# Threads that wait for each other spin a little, then sleep: two notebooks at once share a processor fairly.
# (Read by OpenMP when torch is imported: so notebooks import ganlib first.)
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def reduced() -> int | None:
    """The epoch count of a reduced run (GANLIB_EPOCHS), or None for full runs. ValueError on nonsense."""
    text = os.environ.get("GANLIB_EPOCHS", "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(
            f"GANLIB_EPOCHS phải là một số nguyên dương (ví dụ 1), không phải {text!r}. "
            "Hãy đặt lại biến môi trường này, hoặc bỏ nó đi để chạy đủ số epoch."
        )
    return int(text)


def epochs(full: int) -> int:
    """How many epochs to train: `full`, or GANLIB_EPOCHS where that is set."""
    check.whole("epochs", full)
    return reduced() or full


def count(full: int, reduced_count: int) -> int:
    """Any other long count: `full`, or `reduced_count` when GANLIB_EPOCHS is set."""
    return reduced_count if reduced() else full


def expect(name: str, value: float, low: float, high: float) -> None:
    """Print whether `value` lies in the range [low, high] that the text states.

    Training results differ between machines, so outside the range is only said, not raised;
    under GANLIB_STRICT (set when the committed notebooks are refreshed) it is an AssertionError.
    """
    value = float(value.detach() if hasattr(value, "detach") else value)
    inside = low <= value <= high
    line = f"{name}: {value:.4g}, {'trong' if inside else 'ngoài'} khoảng bài nêu ({low:g} … {high:g})"
    if not inside and os.environ.get("GANLIB_STRICT"):
        raise AssertionError(line)
    print(line + "; chạy rút gọn thì đây là chuyện thường" * bool(not inside and reduced()))


def report(seed: int = 0, *names: str):
    """Seed torch, print versions, device, threads and seed, and return the torch.device to use.

    `names` are further installed packages whose versions are worth printing. Prints no path of the machine.
    """
    import platform
    from importlib.metadata import version

    import torch

    from ganlib.state import choose_device

    check.whole("seed", seed, 0, 2**63 - 1)
    torch.manual_seed(seed)
    device = choose_device()
    what = {"cpu": "cpu", "mps": "mps (GPU của Apple)"}.get(device.type)
    versions = [f"{name} {version(name)}" for name in ("torch", "torchvision", *names)]
    print("Phiên bản:", ", ".join([f"Python {platform.python_version()}", *versions]))
    print("Thiết bị:", what or f"cuda ({torch.cuda.get_device_name()})")
    print("Số luồng CPU:", torch.get_num_threads())
    print("Seed:", seed)
    if reduced():
        print(f"Chạy rút gọn: {reduced()} epoch (GANLIB_EPOCHS); các con số chưa phải của lần chạy đủ.")
    else:
        print("Số epoch: chạy đủ")
    return device
