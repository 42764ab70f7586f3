"""What one student needs: the memory and the computing time of a notebook's kernel.

    python tests/bench/memory.py [02_hai_mang …]        # GANLIB_EPOCHS=1: reduced counts, the same images

Own: memory that is this kernel's alone (anonymous pages); shared: the libraries' (file pages), which all
kernels of a machine have once together. MB = 1,000,000 bytes; Linux only (/proc).
"""

import re
import sys
import threading
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent.parent / "notebooks"
ROW = "{:<26}{:>12}{:>12}{:>12}{:>10}{:>10}"


def memory(pid):
    """(own, shared) in MB, now."""
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = {key: int(value) for key, value in re.findall(r"^(\w+):\s+(\d+) kB", status, re.M)}
    return kilobytes["RssAnon"] * 1024 / 1e6, (kilobytes["RssFile"] + kilobytes["RssShmem"]) * 1024 / 1e6


def cpu(pid):
    """Seconds computed so far."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / 100


def measure(path):
    """(own after the first cell, at the end, at most, shared at most, seconds of computing) of a run."""
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, timeout=3600, allow_errors=True, resources=place)
    seen, first, over = [], [], threading.Event()
    with client.setup_kernel():
        pid = client.km.provisioner.process.pid

        def watch():
            while not over.wait(0.1):
                seen.append(memory(pid))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
            if cell.cell_type == "code" and not first:
                first.append(memory(pid)[0])
        time.sleep(1)
        over.set()
        watcher.join()
        own, shared = zip(*seen, strict=True)
        errors = sum(o.output_type == "error" for cell in notebook.cells for o in cell.get("outputs", []))
        if errors:
            print(f"{path.stem}: {errors} cells failed", file=sys.stderr)
        return first[0], own[-1], max(own), max(shared), cpu(pid)


if __name__ == "__main__":
    stems = sys.argv[1:] or [path.stem for path in sorted(FOLDER.glob("*.ipynb"))]
    print(ROW.format("MB", "first cell", "at the end", "at most", "shared", "CPU, s"))
    for stem in stems:
        print(
            ROW.format(stem, *(f"{number:.0f}" for number in measure(FOLDER / f"{stem}.ipynb"))), flush=True
        )
