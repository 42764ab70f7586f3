"""The package as a whole: what `import ganlib` does, the helpers of every notebook, who imports whom."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ganlib

ROOT = Path(ganlib.__file__).resolve().parent
GROUND = {
    "check": "",
    "files": "",
    "algorithm": "",
    "fast": "algorithm",
    "sources": "",
    "data": "check sources",
    "networks": "check",
    "settings": "check networks",
    "state": "check fast networks settings",
    "training": "algorithm check data fast settings state",
    "record": "check data fast files networks training",
    "features": "check data files",
    "scores": "check data features",
    "figures": "check data files",
    "__init__": "check state",
    "exercises": "",
}
ABOVE = (
    "toy",
    "toy_figures",
    "diagrams",
    "widgets",
    "__main__",
)  # from below to above: each may take any below


def imports(source):
    """The modules of ganlib that the source imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written out in full"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name.split(".")[0] == "ganlib":
                yield name.split(".")[1] if "." in name else "__init__"


def modules():
    """(module or folder of ganlib, the source of a file of it)"""
    for path in sorted(ROOT.rglob("*.py")):
        place = path.relative_to(ROOT)
        if place.parts[0] != "assets":
            yield place.parts[0].removesuffix(".py"), path.read_text(encoding="utf-8")


def test_imports_run_downwards_only():
    may, below = {name: set(words.split()) for name, words in GROUND.items()}, set(GROUND) - {"exercises"}
    for name in ABOVE:
        may[name], below = below, below | {name} - {"widgets"}
    may["__main__"] = may["__main__"] | {"widgets", "exercises"}
    found = list(modules())
    assert {name for name, _ in found} == set(may), "a new module belongs into the tables above"
    upwards = {
        (name, *beyond) for name, source in found if (beyond := set(imports(source)) - may[name] - {name})
    }
    assert upwards == set()


def test_every_way_to_import_is_seen():
    lines = ["import ganlib.a.x", "from ganlib import b as c", "def f():", "    from ganlib.d.y import z"]
    lines += ["import ganlib", "import torch, ganlibs", "from os import ganlib"]
    assert sorted(imports("\n".join(lines))) == ["__init__", "a", "b", "d"]


def fresh(code, **variables):
    """What a new Python prints."""
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"} | variables
    return subprocess.run([sys.executable, "-c", code], env=environment, text=True, check=True,
                          stdout=subprocess.PIPE, timeout=120).stdout.strip()  # fmt: skip


def test_import_is_light_and_sets_how_threads_wait_where_nothing_is_set():
    heavy = "{'torch', 'numpy', 'matplotlib', 'ipywidgets'}"
    code = f"import os, sys, ganlib; print(os.environ['GOMP_SPINCOUNT'], {heavy} & set(sys.modules))"
    assert fresh(code) == "1000 set()"
    assert fresh(code, GOMP_SPINCOUNT="7") == "7 set()"


def test_counts_full_and_reduced(monkeypatch):
    monkeypatch.delenv("GANLIB_EPOCHS", raising=False)
    assert (ganlib.reduced(), ganlib.epochs(50), ganlib.count(1000, 10)) == (None, 50, 1000)
    monkeypatch.setenv("GANLIB_EPOCHS", "2")
    assert (ganlib.reduced(), ganlib.epochs(50), ganlib.count(1000, 10)) == (2, 2, 10)
    for wrong in (0, True, 1.5):
        with pytest.raises(ValueError, match="epochs phải là số nguyên từ 1"):
            ganlib.epochs(wrong)
