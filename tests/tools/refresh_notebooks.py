"""Execute the notebooks at full counts and store their outputs, so that what is committed is true.

A notebook is written only if every cell ran. What differs from run to run for no reason (times, widgets, versions
in the metadata) is left out; the rest is sealed (notebook_seal).
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from notebook_checks import WIDGET, check_notebook
from notebook_seal import code_hash, seal

from ganlib import record

FOLDER = Path(__file__).resolve().parent.parent.parent / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def clean(notebook, code: str) -> None:
    """Keep of an executed notebook what is the same from run to run, and seal it; `code`: the hash of what ran."""
    for cell in notebook["cells"]:
        cell["metadata"].pop("execution", None)
        for output in cell.get("outputs", []):
            if len(output.get("data", {})) > 1:  # something stands in the place of a widget, which is gone
                output["data"].pop(WIDGET, None)
    sealed = {"ganlib": {"code": code, "seal": seal(notebook, code)}}
    notebook["metadata"] = nbformat.from_dict(METADATA | sealed)


def refresh(path: Path) -> bool:
    """Execute one notebook in its own folder; write it if all cells ran. True if it has no faults."""
    notebook = nbformat.read(path, as_version=4)
    code = code_hash(notebook)  # before the run: code that changes meanwhile makes the outputs stale
    place, began = {"metadata": {"path": str(path.parent)}}, time.perf_counter()
    try:
        NotebookClient(notebook, timeout=3600, resources=place, coalesce_streams=True).execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        print(f"{path.stem}: LỖI, không ghi file.\n{error}", file=sys.stderr)
        return False
    clean(notebook, code)
    nbformat.validate(notebook)
    content = (nbformat.writes(notebook, indent=1, ensure_ascii=False).rstrip("\n") + "\n").encode()
    record.write(path, content)
    faults = check_notebook(json.loads(content), path.parent)
    print("\n  cần sửa: ".join([f"{path.stem}: {time.perf_counter() - began:.0f} giây", *faults]), flush=True)
    return not faults


if __name__ == "__main__":
    there = {path.stem: path for path in sorted(FOLDER.glob("*.ipynb"))}
    parser = argparse.ArgumentParser(
        description="Chạy lại các notebook với đủ số epoch và lưu kết quả thật vào file."
    )
    parser.add_argument("names", nargs="*", metavar="TÊN", help=f"không nêu thì chạy tất cả: {', '.join(there)}")
    names = [Path(name).stem for name in parser.parse_args().names] or list(there)
    os.environ.pop("GANLIB_EPOCHS", None)
    os.environ["PYTHONHASHSEED"] = "0"
    sys.exit(not all([refresh(there[name]) for name in names]))
