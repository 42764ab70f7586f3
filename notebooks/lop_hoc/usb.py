"""A folder for a USB stick: all that a room without a network needs, for Windows, macOS and Linux.

    pip install uv -r tests/reading/requirements.txt
    python notebooks/lop_hoc/usb.py /media/usb/gan --python 3.12 3.13
    python notebooks/lop_hoc/usb.py --count             # only what would be downloaded

uv finds what each system and Python needs (torch for CPUs alone), pip downloads exactly that. Needs a network once.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import phat_bai
import trang_chieu

ROOT = Path(__file__).resolve().parents[2]
SYSTEMS = {  # what uv calls it; the wheels that fit, for pip
    "windows": ("x86_64-pc-windows-msvc", ["win_amd64"]),
    "macos": (
        "aarch64-apple-darwin",
        [f"macosx_{n}_0_{chip}" for n in (14, 13, 12, 11) for chip in ("arm64", "universal2")],
    ),
    "linux": (
        "x86_64-manylinux_2_28",
        [f"manylinux_2_{n}_x86_64" for n in (28, 27, 24, 17)] + ["manylinux2014_x86_64"],
    ),
}
TORCH = "https://download.pytorch.org/whl/cpu"  # the builds without CUDA
INSTALL = """#!/bin/sh
# Cài từ thư mục này vào ~/gan, không cần mạng, rồi mở JupyterLab. Lần sau: chạy lại chính tệp này.
cd "$(dirname "$0")" || exit 1
[ -d "$HOME/gan" ] || cp -r lop "$HOME/gan"
[ -x "$HOME/gan/.venv/bin/jupyter" ] || {
  python3 -m venv "$HOME/gan/.venv" &&
    "$HOME/gan/.venv/bin/python" -m pip install --no-index --find-links wheels -r can_cai.txt
} || exit 1
cd "$HOME/gan" && exec .venv/bin/jupyter lab
"""
INSTALL_WINDOWS = """@echo off
rem Cai tu thu muc nay vao %USERPROFILE%\\gan, khong can mang, roi mo JupyterLab. Lan sau: chay lai chinh tep nay.
cd /d "%~dp0"
if not exist "%USERPROFILE%\\gan" xcopy /e /i /q lop "%USERPROFILE%\\gan"
if exist "%USERPROFILE%\\gan\\.venv\\Scripts\\jupyter.exe" goto open
py -m venv "%USERPROFILE%\\gan\\.venv" || goto stop
"%USERPROFILE%\\gan\\.venv\\Scripts\\python" -m pip install --no-index --find-links wheels -r can_cai.txt || goto stop
:open
cd /d "%USERPROFILE%\\gan"
.venv\\Scripts\\jupyter lab
:stop
pause
"""


def needed() -> list[str]:
    """What a reader installs, without the line that installs this very repository: what that one needs, by name."""
    own = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return own + [line for line in lines if re.match(r"[a-z]", line)]


def resolve(system: str, python: str, torch_index: bool) -> list[str]:
    """The exact versions for one system and Python: "torch==2.9.1+cpu", …"""
    platform, _ = SYSTEMS[system]
    command = [sys.executable, *"-m uv pip compile -q --no-header --no-annotate --only-binary=:all: -".split()]
    command += ["--python-platform", platform, "--python-version", python]
    command += ["--torch-backend", "cpu"] * (torch_index and system == "linux")
    done = subprocess.run(command, input="\n".join(needed()), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{system}, Python {python}: uv không tìm ra các gói.\n{done.stderr}")
    return [line for line in done.stdout.split() if "==" in line]


def download(packages: list[str], system: str, python: str, torch_index: bool, place: Path) -> None:
    command = [sys.executable, *"-m pip download -q --no-deps --only-binary=:all:".split(), "-d", place]
    command += [f"--python-version={python}", "--platform=any"]
    command += [f"--platform={one}" for one in SYSTEMS[system][1]]
    command += [f"--extra-index-url={TORCH}"] * (torch_index and system == "linux")
    subprocess.run([*command, *packages], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Làm một thư mục để chép vào USB cho phòng học không có mạng.")
    parser.add_argument("folder", nargs="?", default="build/usb", type=Path)
    parser.add_argument("--python", nargs="+", default=["3.12", "3.13"], help="các bản Python trên máy sinh viên")
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    parser.add_argument("--count", action="store_true", help="chỉ kể các gói, không tải")
    parser.add_argument("--pypi", action="store_true", help="Linux: lấy torch ở PyPI, bản có CUDA (2.5 GB)")
    told = parser.parse_args()
    wheels = told.folder / "wheels"
    for system in told.systems:
        for python in told.python:
            packages = resolve(system, python, not told.pypi)
            print(f"{system}, Python {python}: {len(packages)} gói,", *(p for p in packages if p.startswith("torch")))
            if not told.count:
                download(packages, system, python, not told.pypi, wheels)
    if told.count:
        return
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", wheels, ROOT], check=True)
    (told.folder / "can_cai.txt").write_text("\n".join([*needed(), "ganlib"]) + "\n", encoding="utf-8")
    (told.folder / "cai.bat").write_text(INSTALL_WINDOWS, encoding="ascii", newline="\r\n")
    for name in ("cai.sh", "cai.command"):  # macOS opens .command by a double click
        (told.folder / name).write_text(INSTALL, encoding="utf-8", newline="\n")
        (told.folder / name).chmod(0o755)
    phat_bai.main(told.folder / "lop")
    trang_chieu.main(told.folder / "chieu")
    for sheet in ROOT.glob("images/sheet.*"):
        (told.folder / sheet.name).write_bytes(sheet.read_bytes())
    keys = "exclude_patterns=notebooks/lop_hoc/*,notebooks/README.md"  # what is for the teacher stays at home
    reading = ["-q", "-D", keys, "-c", ROOT / "tests" / "reading", ROOT, told.folder / "doc"]
    subprocess.run([sys.executable, "-m", "sphinx", *reading], check=True)
    print(f"Xong: chép cả thư mục {told.folder} vào USB; sinh viên chạy cai.bat, cai.command hay cai.sh.")


if __name__ == "__main__":
    main()
