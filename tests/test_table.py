"""The table of scores is one: in README, notebook 07, seeds.json and the shipped records."""

import json
import re
from pathlib import Path

import pytest

from ganlib import record
from ganlib.data import ASSETS

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"([\d.]+) ± ([\d.]+)\D+?([\d.]+)\D+?([\d.]+)\D+?([\d.]+)")
KEYS = ("parzen", "parzen_se", "frechet", "sure", "kl")


def rows(text):
    """The five numbers of every line that has them, as they are written."""
    return {found.groups() for line in text.splitlines() if (found := ROW.search(line))}


README = rows((ROOT / "README.md").read_text(encoding="utf-8"))


def test_notebook_07_prints_the_readme_s_rows():
    notebook = json.loads((ROOT / "notebooks" / "07_danh_gia.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    printed = "\n".join("".join(output.get("text", "")) for output in outputs)
    assert README and README <= rows(printed)


def same(text, number):
    """Whether the number is so written; weights in a record are rounded to fp16: one unit off at the most."""
    return float(text) == pytest.approx(number, abs=1.01 * 10.0 ** -len(text.split(".")[1]))


def test_what_was_measured_is_in_the_readme():
    """Other seeds, and the last epoch of the shipped records."""
    seeds = json.loads((ASSETS / "seeds.json").read_text(encoding="utf-8"))
    assert all(score["comparable"] for score in seeds.values())
    measured = {name: [score[key] for key in KEYS] for name, score in seeds.items()}
    for name in ("mnist", "fashion"):
        scores = record.load(ASSETS / f"{name}.safetensors").scores
        measured[name] = [float(scores[key][-1]) for key in KEYS]
    for name, numbers in measured.items():
        assert any(all(map(same, row, numbers)) for row in README), name
