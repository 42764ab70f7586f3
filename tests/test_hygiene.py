"""Every notebook of the series is whole and true, its pictures reach every page, every text file is NFC."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import notebook_checks as checks
import pytest
from nbconvert import HTMLExporter, LatexExporter

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXT = {".py", ".md", ".ipynb", ".toml", ".txt", ".json", ".svg", ".html", ".yml", ".cff", ".sh"}
SKIPPED = {"data", "build", "output"}
each_notebook = pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)


@each_notebook
def test_a_notebook_is_whole_and_on_the_map(path):
    faults = checks.check_notebook(json.loads(path.read_text(encoding="utf-8")), FOLDER)
    assert not faults, "\n".join(faults)
    assert f"(notebooks/{path.name})" in README


def pictures(path):
    """The notebook, and how many of its outputs are pictures."""
    notebook = nbformat.read(path, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return notebook, sum("image/png" in output.get("data", {}) for output in outputs)


@each_notebook
def test_sanitised_html_has_every_picture(path):
    notebook, count = pictures(path)
    html, _ = HTMLExporter(sanitize_html=True).from_notebook_node(notebook)
    assert count == len(re.findall(r'<img [^>]*src="data:image/png;base64,', html))


@pytest.mark.skipif(not shutil.which("pandoc"), reason="cần pandoc (Debian, Ubuntu: apt install pandoc)")
@each_notebook
def test_latex_has_every_picture(path):
    notebook, count = pictures(path)
    latex, resources = LatexExporter().from_notebook_node(notebook)
    assert count == len([name for name in resources["outputs"] if f"{{{name}}}" in latex])


def test_every_notebook_has_pictures():
    assert [path.stem for path in FOLDER.glob("*.ipynb") if not pictures(path)[1]] == []


def test_readme_has_alt_texts_and_no_missing_file():
    readme = {"cells": [{"cell_type": "markdown", "source": README}]}
    assert not checks.check_links(readme, ROOT) + checks.check_alt(readme)


def test_all_text_is_nfc():
    """Of what git tracks; in a copy without git, of all files outside hidden and generated folders."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    paths = [Path(name) for name in listed.stdout.decode().split("\0") if name]
    if not paths:
        paths = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
        paths = [path for path in paths if path.parts[0] not in SKIPPED and path.parts[0][0] != "."]
    texts = [p for p in paths if (ROOT / p).is_file() and (p.suffix in TEXT or p.parent.name == ".ci")]
    read = {path: (ROOT / path).read_text(encoding="utf-8") for path in texts}
    assert [f"{path}: {fault}" for path in texts for fault in checks.check_nfc(read[path])] == []
