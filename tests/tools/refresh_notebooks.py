"""Execute the notebooks at full counts and store their outputs, so that what is committed is true.

A notebook is written only if every cell ran, every `ganlib.expect` held and its real data was there.
What differs from run to run for no reason (times, object addresses, widgets, versions in the metadata) is
left out, so that a diff shows what changed.
"""

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from notebook_checks import WIDGET, check_notebook
from notebook_hash import notebook_hash

from ganlib import data, files

FOLDER = Path(__file__).resolve().parent.parent.parent / "notebooks"
KEPT_CELL_METADATA = {"tags", "jupyter", "slideshow"}
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
HELP = """Chạy lại các notebook với đủ số epoch và lưu kết quả thật vào file, kèm mã băm của code đã chạy.
Cần dữ liệu đầy đủ (không phải bản mẫu). Notebook nào có ô bị lỗi, hoặc có con số ra ngoài khoảng mà lời văn
nêu, thì giữ nguyên file cũ."""


def find(names: list[str]) -> list[Path]:
    """The notebooks named, by stem or path; all of them where none is named."""
    there = {path.stem: path for path in sorted(FOLDER.glob("*.ipynb"))}
    stems = [Path(name).name.removesuffix(".ipynb") for name in names]
    if missing := [stem for stem in stems if stem not in there]:
        sys.exit(f"Không có notebook: {', '.join(missing)}. Các notebook hiện có: {', '.join(there)}.")
    return [there[stem] for stem in stems or there]


def steady(words: str) -> str:
    """Text without the addresses of objects."""
    return re.sub(r"\b0x[0-9a-f]{6,}\b", "0x…", words)


def clean_output(output) -> None:
    """Drop addresses of objects, and the view of a widget (it's gone) where something stands in its place."""
    if "text" in output:
        output["text"] = steady(output["text"])
    shown = output.get("data", {})
    if "text/plain" in shown:
        shown["text/plain"] = steady(shown["text/plain"])
    if len(shown) > 1:
        shown.pop(WIDGET, None)


def clean(notebook, digest: str) -> None:
    """Keep of an executed notebook what is the same from run to run; `digest` is the hash of what was run."""
    notebook["metadata"] = nbformat.from_dict(NOTEBOOK_METADATA | {"ganlib": {"hash": digest}})
    for cell in notebook["cells"]:
        cell["metadata"] = {key: cell["metadata"][key] for key in KEPT_CELL_METADATA & set(cell["metadata"])}
        for output in cell.get("outputs", []):
            clean_output(output)


def refresh(path: Path, store: bool) -> bool:
    """Execute one notebook in its own folder; write it if all cells ran. True if it has no faults."""
    notebook = nbformat.read(path, as_version=4)
    digest = notebook_hash(notebook)  # before the run: code that changes meanwhile makes the outputs stale
    options = {"record_timing": False, "store_widget_state": False, "coalesce_streams": True}
    place = {"metadata": {"path": str(path.parent)}}
    began = time.perf_counter()
    try:
        NotebookClient(notebook, timeout=3600, kernel_name="python3", resources=place, **options).execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        print(f"{path.stem}: LỖI, không ghi file.\n{error}", file=sys.stderr)
        return False
    clean(notebook, digest)
    nbformat.validate(notebook)
    content = (nbformat.writes(notebook, indent=1, ensure_ascii=False).rstrip("\n") + "\n").encode()
    if store:
        files.write(path, content)
    said = f"{time.perf_counter() - began:.0f} giây, {len(content) / 1000:.0f} kB"
    faults = check_notebook(json.loads(content), path.parent)
    print("\n  cần sửa: ".join([f"{path.stem}: {said}", *faults]), flush=True)
    return not faults


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=HELP)
    parser.add_argument(
        "names", nargs="*", metavar="TÊN", help="ví dụ 02_hai_mang; không nêu thì chạy tất cả"
    )
    parser.add_argument("--rut-gon", action="store_true", help="thử nhanh với 1 epoch, không ghi file")
    parser.add_argument("--khong-ghi", action="store_true", help="chạy và kiểm tra, không ghi file")
    options = parser.parse_args(arguments)
    paths = find(options.names)
    for name in ("GANLIB_EPOCHS", "GANLIB_STRICT"):
        os.environ.pop(name, None)
    os.environ["PYTHONHASHSEED"] = "0"
    os.environ["GANLIB_EPOCHS" if options.rut_gon else "GANLIB_STRICT"] = "1"
    sets = [] if options.rut_gon else [data.load(name) for name in data.NAMES]
    if samples := [images.message for images in sets if images.source == "sample"]:
        sys.exit("Chưa có dữ liệu đầy đủ, nên không chạy:\n" + "\n".join(samples))
    store = not (options.rut_gon or options.khong_ghi)
    return 0 if all([refresh(path, store) for path in paths]) else 1


if __name__ == "__main__":
    sys.exit(main())
