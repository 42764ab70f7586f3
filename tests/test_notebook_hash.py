"""The stale-output hash: what counts, what does not, and that Python's version does not matter."""

import pytest
from notebook_hash import modules, notebook_hash, write_out

CELL = "from pkg.a import f\nx = f(1)"
MODULE_A = '"""Doc."""\nfrom . import b\n\n\ndef f(x):\n    """Doc."""\n    return b.g(x)\n'
MODULE_B = "from .c import h\n\n\ndef g(x):\n    return h(x) + 1\n"


def notebook(*sources: str) -> dict:
    return {
        "cells": [{"cell_type": "markdown", "source": "văn"}]
        + [{"cell_type": "code", "source": s} for s in sources]
    }


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "pkg"
    folder.mkdir()
    files = {
        "__init__": "",
        "a": MODULE_A,
        "b": MODULE_B,
        "c": "def h(x):\n    return x\n",
        "unused": "y = 1\n",
    }
    for name, source in files.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return folder


def test_imports_are_followed_inside_the_package_only(package):
    assert [path.stem for path in modules([CELL], package)] == ["__init__", "a", "b", "c"]
    assert [path.stem for path in modules(["import pkg.c as c, math"], package)] == ["__init__", "c"]
    assert [path.stem for path in modules(["from pkg import unused\nfrom . import a"], package)] == [
        "__init__",
        "unused",
    ]
    assert modules(["import torch"], package) == []


@pytest.mark.parametrize(
    "cell",
    ["# log D(x)\nfrom pkg.a import f\n\nx = f( 1 )  # k = 1", "from pkg.a import (\n    f,\n)\nx = f(1)"],
)
def test_comments_and_layout_of_a_cell_do_not_count(package, cell):
    assert notebook_hash(notebook(cell), package) == notebook_hash(notebook(CELL), package)


@pytest.mark.parametrize(
    "cell",
    [
        "from pkg.a import f\nx = f(2)",
        CELL + "\n'lời'",
        CELL + ";",
        "%time x = 1",
        "from pkg.b import f\nx = f(1)",
    ],
)
def test_code_of_a_cell_counts(package, cell):
    assert notebook_hash(notebook(cell), package) != notebook_hash(notebook(CELL), package)


def test_a_lone_string_in_a_cell_is_an_output(package):
    assert notebook_hash(notebook("'a'"), package) != notebook_hash(notebook("'b'"), package)


def test_prose_and_empty_comments_cells_do_not_count(package):
    other = notebook(CELL, "# chỉ là chú thích")
    other["cells"][0]["source"] = "văn khác"
    assert notebook_hash(other, package) == notebook_hash(notebook(CELL), package)


def test_order_of_cells_counts(package):
    assert notebook_hash(notebook("x = 1", "x = 2"), package) != notebook_hash(
        notebook("x = 2", "x = 1"), package
    )


@pytest.mark.parametrize("name, counts", [("a", True), ("b", True), ("c", True), ("unused", False)])
def test_modules_that_are_imported_count(package, name, counts):
    before = notebook_hash(notebook(CELL), package)
    path = package / f"{name}.py"
    path.write_text(path.read_text(encoding="utf-8") + "\nz = 2\n", encoding="utf-8")
    assert (notebook_hash(notebook(CELL), package) != before) is counts


def test_docstrings_and_comments_of_a_module_do_not_count(package):
    before = notebook_hash(notebook(CELL), package)
    changed = MODULE_A.replace("Doc.", "Other.").replace("return", "# why\n    return")
    (package / "a.py").write_text(changed.replace("\n", "\r\n"), encoding="utf-8", newline="")
    assert notebook_hash(notebook(CELL), package) == before


def test_source_as_a_list_of_lines_is_the_same(package):
    lines = {"cells": [{"cell_type": "code", "source": CELL.splitlines(keepends=True)}]}
    assert notebook_hash(lines, package) == notebook_hash(notebook(CELL), package)


def test_the_same_under_every_python(package):
    # Computed under 3.10; every later Python has to agree (dumps differ in f-strings, new fields).
    cell = '''
@decorate(1)
class A(B, metaclass=M):
    def f(self, /, x: int = 1, *args: str, y=None, **kw) -> "A":
        """Doc."""
        return f"a{{b{x!r:>{y}}" f"{x=}" "ế" u"k" rf"\\d{x:.3f}" if (z := x) else lambda *a: [*a, ...]

async def g(a):
    async with a as b, c:
        return [i async for i in b if i] + [{**b, 1: -1.5e-7, 2: 3j, b"x": None}, a[1:2, ::3]]

match g:
    case {"a": [1, *_], **rest} | A(x=1):
        del rest
try:
    pass
except (E, F) as e:
    raise G from e
'''
    assert (
        notebook_hash(notebook(cell), package)
        == "5c88e7f7e43f58190e1c3799cef4b0f255839fc5200959fc19e9571b3f94747d"
    )


def test_none_is_a_value():
    import ast

    assert write_out(ast.parse("None")) != write_out(ast.parse("...")) != write_out(ast.parse("0"))
