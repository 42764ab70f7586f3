"""Every notebook is whole and true, its pictures reach every page; README's table is one; all text is NFC."""

import json
import re
import subprocess
from pathlib import Path

import nbformat
import notebook_checks as checks
import pytest
from conftest import NOTEBOOKS, ROOT, each_notebook
from nbconvert import HTMLExporter, LatexExporter

from ganlib import record
from ganlib.data import ASSETS

README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXT = {".py", ".md", ".ipynb", ".toml", ".txt", ".json", ".svg", ".html", ".yml", ".cff", ".sh"}
ROW = re.compile(r"\d+\.\d ± \d.*")  # the numbers of a line of README's table of scores
KEYS = ("parzen", "parzen_se", "frechet", "frechet_sd", "precision", "recall", "sure", "kl")


@each_notebook
def test_a_notebook_is_whole_and_on_the_map(path):
    faults = checks.check_notebook(json.loads(path.read_text(encoding="utf-8")), path.parent)
    assert not faults, "\n".join(faults)
    assert f"(notebooks/{path.name})" in README


@each_notebook
def test_every_picture_is_in_sanitised_html_and_in_latex(path):
    """The pictures alone: all the prose would cost minutes."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in notebook.cells:
        cell.outputs = [output for output in cell.outputs if "image/png" in output.get("data", {})]
    count = sum(len(cell.outputs) for cell in notebook.cells)
    html, _ = HTMLExporter(sanitize_html=True).from_notebook_node(notebook)
    assert count == len(re.findall(r'<img [^>]*src="data:image/png;base64,', html)) > 0
    latex, resources = LatexExporter().from_notebook_node(notebook)
    assert count == len([name for name in resources["outputs"] if f"{{{name}}}" in latex])


def test_readme_has_alt_texts_and_no_missing_file():
    readme = {"cells": [{"cell_type": "markdown", "source": README}]}
    assert not checks.check_links(readme, ROOT) + checks.check_alt(readme)


def test_all_text_is_nfc():
    """Of what git tracks, or would."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    paths = [ROOT / name for name in listed.split("\0") if Path(name).suffix in TEXT]
    if not paths:
        pytest.skip("không có git ở đây")
    faults = [(path, checks.check_nfc(path.read_text(encoding="utf-8"))) for path in paths if path.exists()]
    assert [f"{path}: {found}" for path, found in faults if found] == []


def rows(text):
    """The numbers of every line of a table of scores, as they are written."""
    lines = [found[0] for line in text.splitlines() if (found := ROW.search(line))]
    found = {tuple(re.findall(r"\d+\.\d+", line)) for line in lines}
    return {numbers for numbers in found if len(numbers) >= 5}


def test_the_table_of_scores_is_what_was_measured():
    """By notebook 08; of the last epoch of the shipped records, and of other seeds."""
    notebook = json.loads((ROOT / "notebooks" / "08_thuoc_do.ipynb").read_text(encoding="utf-8"))
    printed = "\n".join(checks.printed(output) for _, output in checks.outputs(notebook))
    assert rows(README) and rows(README) <= rows(printed)
    seeds = json.loads((ASSETS / "seeds.json").read_text(encoding="utf-8"))
    assert all(score["comparable"] for score in seeds.values())
    measured = {name: [score[key] for key in KEYS if key in score] for name, score in seeds.items()}
    for name in ("mnist", "fashion"):
        scores = record.load(ASSETS / f"{name}.safetensors").scores
        measured[name] = [float(scores[key][-1]) for key in KEYS]
    for name, numbers in measured.items():
        fitting = [row for row in rows(README) if len(row) == len(numbers)]
        assert any(all(map(written, row, numbers)) for row in fitting), name


def written(text, number):
    """Whether the number is so written; weights in a record are rounded to fp16: one unit off at the most."""
    return float(text) == pytest.approx(number, abs=1.01 * 10.0 ** -len(text.split(".")[1]))


# One term for one thing: these are not said (but for one quotation of the write-up).
NOT_SAID = """phân bố|ảnh sinh(?! có kích thước 28x28)|đánh rơi|chỗ mù|mã công bố|mã nguồn công bố
đồng tác giả|mầm|công thức huấn luyện|công thức thường|soi gương|rẻ tiền|may rủi|chuỗi chữ|như lời văn
bản sách vở|trung bình trượt \\(EMA""".replace("\n", "|")


def test_one_term_for_one_thing():
    paths = [ROOT / "README.md", *NOTEBOOKS, *ROOT.glob("ganlib/**/*.py")]
    said = {path.name: re.findall(NOT_SAID, path.read_text(encoding="utf-8")) for path in paths}
    assert {name: words for name, words in said.items() if words} == {}
