"""The table of scores is one: in the README, in notebook 07, in seeds.json and in the shipped records."""

import json
import re
from pathlib import Path

import pytest

from ganlib.data import ASSETS
from ganlib.record import Record

ROOT = Path(__file__).resolve().parent.parent
NUMBERS = r"([\d.]+) ± ([\d.]+)\D+?([\d.]+)\D+?([\d.]+)\D+?([\d.]+)"  # Parzen, its error, Fréchet, sure, KL
NAMES = {  # a row in the README's words: in those of the notebook and of seeds.json
    "ở đây, seed 0": "ở đây, seed 0",
    "ở đây, seed 1": "ở đây, seed 1",
    "ở đây, seed 2": "ở đây, seed 2",
    "công thức huấn luyện thường thấy, seed 0": "công thức thường thấy, seed 0",
    "ảnh thật: 10,000 ảnh huấn luyện đầu tiên": "ảnh thật",
}


@pytest.fixture(scope="module")
def readme():
    """{"mnist" or "fashion": {row: its five numbers as they are written}}"""
    tables = {}
    for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"\| (MNIST|FashionMNIST)\b.*Parzen", line):
            rows = tables[{"MNIST": "mnist", "FashionMNIST": "fashion"}[heading[1]]] = {}
        elif row := re.match(r"\| \**([^*|]+?)\** \| " + NUMBERS, line):
            rows[NAMES[row[1]]] = row.groups()[1:]
    return tables


def test_the_readme_has_its_rows(readme):
    assert list(readme["mnist"]) == list(NAMES.values())
    assert list(readme["fashion"]) == ["ở đây, seed 0", "ảnh thật"]


def test_notebook_07_prints_the_same(readme):
    notebook = json.loads((ROOT / "notebooks" / "07_danh_gia.ipynb").read_text(encoding="utf-8"))
    (cell,) = (cell for cell in notebook["cells"] if cell["id"] == "bang-day-du")
    printed = "".join("".join(output["text"]) for output in cell["outputs"])
    mnist, fashion = re.split("^FashionMNIST", printed, flags=re.M)
    for name, text in (("mnist", mnist), ("fashion", fashion)):
        rows = {row[0].strip(): row[1:] for row in re.findall("^(.+?)  +" + NUMBERS, text, re.M)}
        assert rows == readme[name]


def test_seeds(readme):
    for name, score in json.loads((ASSETS / "seeds.json").read_text(encoding="utf-8")).items():
        values = (score[key] for key in ("parzen", "parzen_se", "frechet", "sure", "kl"))
        assert readme["mnist"][name] == tuple(map("{:.{}f}".format, values, (1, 1, 2, 3, 4)))
        assert score["comparable"]


@pytest.mark.parametrize("name", ["mnist", "fashion"])
def test_shipped_records(readme, name):
    scores = Record.load(ASSETS / f"{name}.safetensors").scores
    keys = "parzen", "parzen_se", "frechet", "sure", "kl"
    for key, text in zip(keys, readme[name]["ở đây, seed 0"], strict=True):
        unit = 10.0 ** -len(text.split(".")[1])  # weights in the file are rounded to fp16: one unit off
        assert float(text) == pytest.approx(float(scores[key][-1]), abs=1.01 * unit)
