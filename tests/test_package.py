"""The package as a whole: who imports whom, how thin it is, what it needs, the helpers of every notebook."""

import ast
import json
import runpy
import subprocess
import sys
import tomllib

import pytest
import torch
from conftest import ALONE, LOCK, NOTEBOOKS, ROOT

import ganlib

# From below to above: each may import those before it, and itself.
ORDER = """
    algorithm __init__ data networks own state training record scores figures toy exercises widgets __main__
""".split()
FIRST_EVENING = "__init__ data networks algorithm training record".split()
FILES = {path.relative_to(ROOT / "ganlib").as_posix(): path for path in (ROOT / "ganlib").rglob("*.py")}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in FILES.items()}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def imports(source):
    """The modules of ganlib that the source imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""  # "None." of a relative one
            paths = [f"{start}{alias.name}.__init__".split(".") for alias in node.names]
            inside = [path[1] for path in paths if path[0] in ("ganlib", "None")]
            yield from (name if name in ORDER else "__init__" for name in inside)


def test_imports_run_downwards_only():
    found, upwards = set(), []
    for name, text in TEXTS.items():
        name = name.split("/")[0].removesuffix(".py")
        assert name in ORDER, "a new module belongs into the order above"
        below = ORDER[: ORDER.index(name) + 1] if name != "__init__" else ["algorithm", name]
        upwards += [(name, other) for other in imports(text) if other not in below]
        found.add(name)
    assert found == set(ORDER) and upwards == []


def test_it_grows_no_thicker():
    """The aim is 3,000 lines of ganlib and 3,700 of tests: these numbers go down, never up."""
    lines = {name: len(text.splitlines()) for name, text in TEXTS.items()}
    assert max(lines.values()) <= 290 and sum(lines.values()) <= 3600
    assert sum(lines[f"{name}.py"] for name in FIRST_EVENING) <= 750
    tests = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    assert sum(len(text.splitlines()) for text in tests) <= 5060


def test_what_is_imported_is_declared_and_locked():
    """By ganlib, outside the standard library and itself; numpy, Pillow, IPython too."""
    names = set()
    for text in TEXTS.values():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.split(".")[0])
    names -= sys.stdlib_module_names | {"ganlib"}
    declared = {requirement.split(">=")[0] for requirement in PROJECT["dependencies"]}
    assert {{"PIL": "pillow", "IPython": "ipython"}.get(name, name) for name in names} == declared
    wanted = set(declared)
    for file in ("requirements.txt", "tests/requirements.txt", "tests/requirements-browser.txt"):
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
        wanted |= {line.split(">=")[0] for line in lines if line[:1].isalpha()}
    assert wanted <= set(LOCK)
    for path in NOTEBOOKS:  # those that the notebooks print
        text = path.read_text(encoding="utf-8")
        printed = f"torch {LOCK['torch']}"
        assert "Phiên bản:" not in text or printed in text, path.name


def test_threads_wait_as_is_set_or_a_little():
    code = "import os, ganlib; print(os.environ['GOMP_SPINCOUNT'])"
    unset = {name: value for name, value in ALONE.items() if name != "GOMP_SPINCOUNT"}
    for environment, count in ((unset, "1000"), (unset | {"GOMP_SPINCOUNT": "7"}, "7")):
        said = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
        assert said.strip() == count


def test_counts_full_and_reduced(monkeypatch):
    monkeypatch.delenv("GANLIB_EPOCHS", raising=False)
    assert (ganlib.epochs(50), ganlib.count(1000, 10)) == (50, 1000)
    monkeypatch.setenv("GANLIB_EPOCHS", "2")
    assert (ganlib.epochs(50), ganlib.count(1000, 10)) == (2, 10)


@pytest.mark.parametrize("value, where", [(1.2134, "trong"), (0.9, "ngoài"), (float("nan"), "ngoài")])
def test_expect_says_where_the_number_lies(monkeypatch, capsys, value, where):
    """A number outside is only said; it is an error when the notebooks are refreshed."""
    monkeypatch.delenv("GANLIB_STRICT", raising=False)
    ganlib.expect("loss_D", torch.tensor(value, requires_grad=True), 1.0, 1.4)
    said = capsys.readouterr().out
    assert said.startswith(f"loss_D: {value:.4g}, {where} khoảng") and "(1 … 1.4)" in said
    monkeypatch.setenv("GANLIB_STRICT", "1")
    if where == "ngoài":
        with pytest.raises(AssertionError, match="ngoài khoảng"):
            ganlib.expect("loss_D", value, 1.0, 1.4)


def test_report_seeds_torch_and_names_no_path(capsys):
    device = ganlib.report(3)
    first = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(first, torch.rand(2)) and isinstance(device, torch.device)
    out = capsys.readouterr().out
    assert torch.__version__ in out and "Seed: 3" in out and "rút gọn" in out
    assert "/" not in out and "\\" not in out


TINY = {"training": "--rounds 1 --iterations 1 --seeds 1 --seconds 0 --limit 0"}


@pytest.mark.parametrize("bench", sorted((ROOT / "tests" / "bench").glob("*.py")), ids=lambda path: path.stem)
def test_a_bench_can_be_imported_and_measures_when_tiny(bench, capsys):
    found = runpy.run_path(str(bench))
    if bench.stem in TINY:
        found["main"](TINY[bench.stem].split())
        assert json.loads(capsys.readouterr().out.strip().splitlines()[-1])["ms"]
