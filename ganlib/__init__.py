"""Helper package of the series: it holds only what a notebook has already taught.

`import ganlib` alone is light: torch is imported by the functions that need it.
"""

import os

from ganlib import checks


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
    checks.whole("epochs", full)
    return reduced() or full


def count(full: int, reduced_count: int) -> int:
    """Any other long count: `full`, or `reduced_count` when GANLIB_EPOCHS is set."""
    checks.whole("count", full, 0)
    checks.whole("count", reduced_count, 0)
    return reduced_count if reduced() else full


def expect(name: str, value: float, low: float, high: float) -> None:
    """Print whether `value` lies in the range [low, high] that the text states.

    Training results differ between machines, so outside the range is only said, not raised;
    under GANLIB_STRICT (set when the committed notebooks are refreshed) it is an AssertionError.
    """
    try:
        value, low, high = (float(v.detach() if hasattr(v, "detach") else v) for v in (value, low, high))
    except (TypeError, ValueError, RuntimeError) as error:
        got = f"{checks.brief(value)}, {checks.brief(low)} … {checks.brief(high)}"
        raise TypeError(f"{name}: cần một số và hai đầu của một khoảng; đã nhận {got}.") from error
    inside = low <= value <= high
    where = "trong" if inside else "ngoài"
    line = f"{name} = {value:.4g}, {where} khoảng {low:g} … {high:g} như lời văn"
    if not inside:
        if os.environ.get("GANLIB_STRICT"):
            raise AssertionError(line)
        line = line.replace(" như lời văn", " mà lời văn nêu")
        line += " (chạy rút gọn thì đây là chuyện thường)" if reduced() else ""
    print(line)


def report(seed: int = 0, *names: str):
    """Seed torch, print versions, device, threads and seed, and return the torch.device to use.

    `names` are further installed packages whose versions are worth printing. Prints no path of the machine.
    """
    import platform
    from importlib.metadata import PackageNotFoundError, version

    import torch

    checks.whole("seed", seed, 0, 2**63 - 1)
    torch.manual_seed(seed)
    if torch.cuda.is_available():
        device = torch.device("cuda")
        what = f"cuda ({torch.cuda.get_device_name()})"
    elif torch.backends.mps.is_available():
        device = torch.device("mps")
        what = "mps (GPU của Apple)"
    else:
        device = torch.device("cpu")
        what = "cpu"
    for name in names:
        checks.instance("Tên gói", name, str, "chuỗi chữ, ví dụ 'matplotlib'")
    try:
        versions = [f"{name} {version(name)}" for name in ("torch", "torchvision", *names)]
    except (PackageNotFoundError, ValueError) as error:
        raise ValueError(f"Một trong các gói {names} chưa được cài: hãy cài bằng pip install.") from error
    print("Phiên bản:", ", ".join([f"Python {platform.python_version()}", *versions]))
    print("Thiết bị:", what)
    print("Số luồng CPU:", torch.get_num_threads())
    print("Seed:", seed)
    if reduced():
        print(f"Chạy rút gọn: {reduced()} epoch (GANLIB_EPOCHS); các con số chưa phải của lần chạy đủ.")
    else:
        print("Số epoch: chạy đủ")
    return device
