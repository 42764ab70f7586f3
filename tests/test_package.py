"""The package as a whole: who imports whom, how thin it is, what it needs, the helpers of every notebook."""

import ast
import json
import runpy
import sys
import tomllib

import pytest
import torch
from conftest import LOCK, NOTEBOOKS, ROOT

import ganlib

# From below to above: each may import those before it, and itself.
ORDER = "algorithm __init__ data networks own state training record scores figures toy exercises widgets".split()
ORDER.append("__main__")
FIRST_EVENING = "__init__ data networks algorithm training record".split()
FILES = {path.relative_to(ROOT / "ganlib").as_posix(): path for path in (ROOT / "ganlib").rglob("*.py")}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in FILES.items()}


def imported(source):
    """The dotted names that the source imports, wherever it does; relative ones begin with "ganlib."."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            start = f"{node.module or 'ganlib'}." if isinstance(node, ast.ImportFrom) else ""
            yield from (start + alias.name for alias in node.names)


def test_imports_run_downwards_only():
    modules = [(name.split("/")[0].removesuffix(".py"), text) for name, text in TEXTS.items()]
    assert {name for name, _ in modules} == set(ORDER), "a new module belongs into the order above"
    for name, text in modules:
        inside = [f"{path}.__init__".split(".")[1] for path in imported(text) if path.split(".")[0] == "ganlib"]
        upwards = [other for other in inside if other in ORDER[ORDER.index(name) + 1 :]]
        assert upwards == [], name


def test_it_grows_no_thicker():
    """Aim: 3,000 lines of ganlib and 3,700 of tests. These numbers go down, never up."""
    lines = {name: len(text.splitlines()) for name, text in TEXTS.items()}
    assert max(lines.values()) <= 290 and sum(lines.values()) <= 3120
    assert sum(lines[f"{name}.py"] for name in FIRST_EVENING) <= 750
    tests = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    assert sum(len(text.splitlines()) for text in tests) <= 4040


def test_what_is_imported_is_declared_and_locked():
    """By ganlib, outside the standard library and itself; numpy, Pillow, IPython too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {path.split(".")[0] for text in TEXTS.values() for path in imported(text)}
    names -= sys.stdlib_module_names | {"ganlib"}
    wanted = {requirement.split(">=")[0] for requirement in project["dependencies"]}
    assert {{"PIL": "pillow", "IPython": "ipython"}.get(name, name) for name in names} == wanted
    for file in ("requirements.txt", "tests/requirements.txt", "tests/requirements-browser.txt"):
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
        wanted |= {line.split(">=")[0] for line in lines if line[:1].isalpha()}
    assert wanted <= set(LOCK)
    for path in NOTEBOOKS:  # those that the notebooks print
        text = path.read_text(encoding="utf-8")
        assert "Phiên bản:" not in text or f"torch {LOCK['torch']}" in text, path.name


def test_counts_full_and_reduced(monkeypatch):
    for asked, expected in ("", (50, 1000)), ("2", (2, 10)):
        monkeypatch.setenv("GANLIB_EPOCHS", asked)
        assert (ganlib.epochs(50), ganlib.count(1000, 10)) == expected


def test_report_seeds_torch_and_names_no_path(capsys):
    device = ganlib.report(3)
    first = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(first, torch.rand(2)) and isinstance(device, torch.device)
    out = capsys.readouterr().out
    assert torch.__version__ in out and "Seed: 3" in out and "rút gọn" in out
    assert "/" not in out and "\\" not in out


@pytest.mark.parametrize("bench", ["training", "unseen"])
def test_a_bench_can_be_imported_and_measures_when_tiny(bench, capsys):
    found = runpy.run_path(str(ROOT / "tests" / "bench" / f"{bench}.py"))
    if bench == "training":
        found["main"](rounds=1, iterations=1, seeds=1, limit=0, good=1e9, every=1)
        told = json.loads(capsys.readouterr().out)
        assert told["ms"] and told["ratio_to_textbook"] > 0 and len(told["frechet_at_30_s"]) == 1
