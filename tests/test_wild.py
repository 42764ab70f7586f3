"""Notebooks as readers run them: cells out of order, then all; two at once, in a folder with an odd name."""

import random
import shutil
import subprocess
import sys

import nbformat
import pytest
from conftest import ALONE, HANGS, ROOT, code_cells, each_notebook
from nbclient import NotebookClient

pytestmark = pytest.mark.slow


@each_notebook
def test_out_of_order_then_run_all(path):
    """One kernel: the cells shuffled, where many cannot work; then Run All, which works all the same."""
    cells = code_cells(path)
    shuffled = random.Random(0).sample(cells, len(cells))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in shuffled + cells])
    place = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=HANGS, allow_errors=True, resources=place).execute()
    assert not [o for cell in notebook.cells[len(cells) :] for o in cell.outputs if o.output_type == "error"]


def test_two_at_once_in_a_folder_with_spaces_and_marks(tmp_path):
    """A copy of the project there; two kernels run 01, which unpacks the images, side by side."""
    project = tmp_path / "Bài tập về GAN, lần 2"
    shutil.copytree(ROOT / "ganlib", project / "ganlib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", project)
    (project / "notebooks").mkdir()
    copy = shutil.copy(ROOT / "notebooks" / "01_du_lieu.ipynb", project / "notebooks")
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", str(copy), "--output"]
    pipes = {"env": ALONE | {"PYTHONPATH": str(project)}, "stderr": subprocess.PIPE}
    both = [subprocess.Popen([*command, f"{i}.ipynb"], **pipes) for i in range(2)]
    said = [process.communicate(timeout=HANGS)[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert str(ROOT) not in (project / "notebooks" / "0.ipynb").read_text(encoding="utf-8")
    assert (project / "data" / "MNIST" / "raw" / "train-images-idx3-ubyte").exists()
