"""The package as a whole: what `import ganlib` does, who imports whom, the helpers of every notebook."""

import ast
import subprocess
import sys

import pytest
import torch
from conftest import ALONE, ROOT

import ganlib

# From below to above: each may import those before it, and itself.
ORDER = """
    check files algorithm fast sources data networks settings state __init__ training record features scores
    figures toy toy_figures diagrams exercises widgets __main__
""".split()


def imports(source):
    """The modules of ganlib that the source imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""  # "None." of a relative one
            paths = [f"{start}{alias.name}.__init__".split(".") for alias in node.names]
            yield from (path[1] for path in paths if path[0] in ("ganlib", "None"))


def test_imports_run_downwards_only():
    found, upwards = set(), []
    for path in (ROOT / "ganlib").rglob("*.py"):
        name = path.relative_to(ROOT / "ganlib").parts[0].removesuffix(".py")
        if name != "assets":
            assert name in ORDER, "a new module belongs into the order above"
            below = ORDER[: ORDER.index(name) + 1]
            others = set(imports(path.read_text(encoding="utf-8")))
            upwards += [(name, other) for other in others if other not in below]
            found.add(name)
    assert found == set(ORDER) and upwards == []


def test_import_is_light_and_sets_how_threads_wait_where_nothing_is_set():
    heavy = "{'torch', 'numpy', 'matplotlib', 'ipywidgets'}"
    code = f"import os, sys, ganlib; print(os.environ['GOMP_SPINCOUNT'], {heavy} & set(sys.modules))"
    unset = {name: value for name, value in ALONE.items() if name != "GOMP_SPINCOUNT"}
    for environment, count in ((unset, "1000"), (unset | {"GOMP_SPINCOUNT": "7"}, "7")):
        said = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
        assert said.strip() == f"{count} set()"


def test_counts_full_and_reduced(monkeypatch):
    monkeypatch.delenv("GANLIB_EPOCHS", raising=False)
    assert (ganlib.reduced(), ganlib.epochs(50), ganlib.count(1000, 10)) == (None, 50, 1000)
    monkeypatch.setenv("GANLIB_EPOCHS", "2")
    assert (ganlib.reduced(), ganlib.epochs(50), ganlib.count(1000, 10)) == (2, 2, 10)
    for value in ("0", "1.5", "một"):
        monkeypatch.setenv("GANLIB_EPOCHS", value)
        with pytest.raises(ValueError, match=f"GANLIB_EPOCHS phải là một số nguyên dương .*{value}"):
            ganlib.epochs(50)


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
    device = ganlib.report(3, "matplotlib")
    first = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(first, torch.rand(2)) and isinstance(device, torch.device)
    out = capsys.readouterr().out
    assert torch.__version__.split("+")[0] in out and "matplotlib" in out and "Seed: 3" in out
    assert "rút gọn: 1 epoch" in out and "/" not in out and "\\" not in out
