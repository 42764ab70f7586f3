"""Execute the notebooks at full counts and store their outputs, so that what is committed is true.

A notebook is written only if every cell ran, every `ganlib.expect` held and its real data was there.
What differs from run to run for no reason (times, object addresses, widget ids, versions in the metadata)
is left out, so that a diff shows what changed.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from notebook_checks import check_notebook
from notebook_hash import notebook_hash

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
WIDGET = "application/vnd.jupyter.widget-view+json"
KEPT_CELL_METADATA = {"tags", "jupyter", "slideshow"}
HELP = """\
Cách dùng: python tests/refresh_notebooks.py [TÊN ...] [--rut-gon] [--khong-ghi]

Chạy lại các notebook với đủ số epoch và lưu kết quả thật vào file, kèm mã băm của code đã chạy.
Cần dữ liệu đầy đủ (không phải bản mẫu). Notebook nào có ô bị lỗi, hoặc có con số ra ngoài
khoảng mà lời văn nêu, thì giữ nguyên file cũ.

  TÊN           notebook cần chạy, ví dụ 02_hai_mang hoặc notebooks/02_hai_mang.ipynb;
                không nêu tên nào thì chạy tất cả
  --khong-ghi   chạy và kiểm tra, nhưng không ghi file
  --rut-gon     chạy 1 epoch để thử nhanh; luôn kèm --khong-ghi
  -h, --help    in lời giải thích này
"""


class Parser(argparse.ArgumentParser):
    def format_help(self) -> str:
        return HELP

    def error(self, message: str):
        sys.exit(f"{HELP}\nLỗi: tham số không hợp lệ ({message}).")


def find(names: list[str]) -> list[Path]:
    """The notebooks named, by stem or path; all of them where none is named."""
    paths = [
        FOLDER / (Path(name.replace("\\", "/")).name.removesuffix(".ipynb") + ".ipynb") for name in names
    ]
    if missing := [path.stem for path in paths if not path.exists()]:
        there = ", ".join(path.stem for path in sorted(FOLDER.glob("*.ipynb")))
        sys.exit(f"Không có notebook: {', '.join(missing)}. Các notebook hiện có: {there}.")
    return paths or sorted(FOLDER.glob("*.ipynb"))


def steady(value):
    """Text or nested data without the addresses of objects."""
    if isinstance(value, str):
        return re.sub(r"\b0x[0-9a-f]{6,}\b", "0x…", value)
    if isinstance(value, list):
        return [steady(item) for item in value]
    return value


def clean_output(output) -> None:
    if "text" in output:
        output["text"] = steady(output["text"])
    data = output.get("data", {})
    for kind in data:
        if kind.startswith("text/") and "base64," not in data[kind]:
            data[kind] = steady(data[kind])
    if len(data) > 1:
        data.pop(
            WIDGET, None
        )  # its model is gone: a reader would see an error instead of the picture beside it


def clean(notebook, digest: str) -> None:
    """Keep of an executed notebook what is the same from run to run; `digest` is the hash of what was run."""
    notebook["metadata"] = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "ganlib": {"hash": digest},
        }
    )
    for cell in notebook["cells"]:
        cell["metadata"] = {
            key: value for key, value in cell["metadata"].items() if key in KEPT_CELL_METADATA
        }
        for output in cell.get("outputs", []):
            clean_output(output)


def write(notebook, path: Path) -> None:
    """Replace the file in one step: a reader, or an interrupted run, never finds half a notebook."""
    content = nbformat.writes(notebook, indent=1, ensure_ascii=False).rstrip("\n") + "\n"
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.stem}-", delete=False) as file:
        file.write(content.encode("utf-8"))
    os.chmod(file.name, path.stat().st_mode)
    os.replace(file.name, path)


def data_faults() -> list[str]:
    """The sets that would come from the sample; committed outputs are those of the full sets."""
    from ganlib import data

    loaded = [data.load(name) for name in data.NAMES]
    return [images.message for images in loaded if images.source == "sample"]


def refresh(path: Path, store: bool) -> bool:
    """Execute one notebook in its own folder; write it if all went well. True if it did."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=3600,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    digest = notebook_hash(notebook)  # before the run: code that changes meanwhile makes the outputs stale
    began = time.perf_counter()
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        print(f"{path.stem}: LỖI, không ghi file.\n{error}", file=sys.stderr)
        return False
    seconds = time.perf_counter() - began
    clean(notebook, digest)
    nbformat.validate(notebook)
    size = len(nbformat.writes(notebook, ensure_ascii=False).encode("utf-8"))
    if store:
        write(notebook, path)
    faults = check_notebook(json.loads(nbformat.writes(notebook)), path.parent)
    print(
        f"{path.stem}: {seconds:.0f} giây, {size / 1000:.0f} kB" + ("" if store else " (không ghi)"),
        flush=True,
    )
    for fault in faults:
        print(f"  cần sửa: {fault}")
    return not faults


def main(arguments: list[str] | None = None) -> int:
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stderr.reconfigure(encoding="utf-8")
    parser = Parser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rut-gon", action="store_true", dest="reduced")
    parser.add_argument("--khong-ghi", action="store_true", dest="dry")
    options = parser.parse_args(arguments)
    paths = find(options.names)
    os.environ["PYTHONHASHSEED"] = "0"
    for name in ("GANLIB_EPOCHS", "GANLIB_STRICT"):
        os.environ.pop(name, None)
    if options.reduced:
        os.environ["GANLIB_EPOCHS"] = "1"
    else:
        os.environ["GANLIB_STRICT"] = "1"
        if faults := data_faults():
            sys.exit("Chưa có dữ liệu đầy đủ, nên không chạy:\n" + "\n".join(faults))
    results = [refresh(path, store=not (options.dry or options.reduced)) for path in paths]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
