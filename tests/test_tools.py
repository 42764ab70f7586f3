"""What keeps the notebooks true: the hash of their code, the checks (each can fail), the refresh."""

import json

import nbformat
import notebook_checks as checks
import pytest
import refresh_notebooks as refresh
from nbformat import v4
from notebook_hash import notebook_hash

CELL = "from pkg.a import f\nx = f(1)"
PACKAGE = {
    "__init__": "",
    "a": '''
"""Doc."""
from pkg import b, check
from . import d

SCALE = 2
WORDS = {"key": "một câu", "ảnh": "two words"}


class Told(Exception):
    pass


def f(x):
    """Doc."""
    check.whole("x", x, 1)
    if x < 0:
        raise Told("No.")
    print(f"{x} is good")
    return b.g(x) * SCALE, WORDS, d


def unused():
    return 1
''',
    "b": "from pkg.c import h\n\n\ndef g(x):\n    return h(x) + 1\n\n\ndef k(x):\n    return x\n",
    "c": "import os\n\nos.environ['A'] = '1'\n\n\ndef h(x):\n    return x\n",
    "d": "def handed_on(x):\n    return x\n",
    "check": "def whole(name, value, low):\n    pass\n",
}


def notebook(*sources):
    return {"cells": [{"cell_type": "code", "source": source} for source in sources]}


@pytest.fixture
def package(tmp_path):
    (tmp_path / "pkg").mkdir()
    for name, source in PACKAGE.items():
        (tmp_path / "pkg" / f"{name}.py").write_text(source, encoding="utf-8")
    return tmp_path / "pkg"


def stale(package, cell=CELL, **changes):
    """Whether that cell, or these changes (module=(old, new)), make the outputs of CELL stale."""
    before = notebook_hash(notebook(CELL), package)
    for name, (old, new) in changes.items():
        path = package / f"{name}.py"
        source = path.read_text(encoding="utf-8")
        assert old in source
        path.write_text(source.replace(old, new), encoding="utf-8", newline="\r\n")
    return notebook_hash(notebook(cell), package) != before


COMPUTES = [
    {"a": ("SCALE = 2", "SCALE = 3")},
    {"a": ("x < 0", "x < 1")},
    {"a": ('"key"', '"other"')},
    {"a": ("class Told(Exception):\n    pass", "print(1)")},  # it runs when the module is imported
    {"c": ("return x", "return -x")},
    {"c": ("'1'", "'2'")},
    {"d": ("return x", "return -x")},
    {"cell": CELL + "\n'lời'"},
    {"cell": CELL + ";"},
]
TELLS = [
    {"a": ("Doc.", "Other.")},
    {"a": ("một câu", "a sentence")},
    {"a": ("is good", "is fine")},
    {"a": ('raise Told("No.")', 'raise ValueError("No")')},
    {"a": ('check.whole("x", x, 1)', 'check.whole("count", x, 2)\n    # why')},
    {"a": ("return 1", "return 2")},  # not reached
    {"check": ("pass", "print(value)")},
    {"cell": "# log D(x)\nfrom pkg.a import (\n    f,\n)\n\nx = f( 1 )  # k = 1"},
]


@pytest.mark.parametrize("change", COMPUTES + TELLS)
def test_what_computes_counts_and_what_only_tells_does_not(package, change):
    assert stale(package, **change) == (change in COMPUTES)


@pytest.mark.parametrize(
    "cell", ["import pkg.b as q\nq.g(1)", "from pkg import a\na.b.g(1)", "import pkg\npkg.b"]
)
def test_names_are_followed_from_module_to_module(package, cell):
    """By attribute, by a name handed on, by the module as a whole; and by an import inside a function."""
    seen = [notebook_hash(notebook(cell), package)]
    changes = ("c", "def h(x):\n    from pkg import d\n    return d.handed_on(x)"), ("d", "handed_on = len")
    for name, source in changes:
        (package / f"{name}.py").write_text(source, encoding="utf-8")
        seen.append(notebook_hash(notebook(cell), package))
    assert len(set(seen)) == 3


# Computed under 3.10; every later Python has to agree (trees differ in f-strings, new fields).
SAME = "f652816f7328d3bc1539c5973c39d843b42f9e40c163cf15bf6d09f6fde958ec"


def test_the_same_under_every_python(package):
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
    assert notebook_hash(notebook(cell, CELL), package) == SAME


def said(text, name="stdout"):
    return v4.new_output("stream", name=name, text=text)


def shown(data, alt="một số"):
    return v4.new_output("display_data", data, metadata={"image/png": {"alt": alt}})


def good():
    """A small notebook without faults."""
    prose = ["# Tiêu đề", "## Bạn sẽ học gì\n![cấu trúc](GAN.png)", "## Tóm tắt", "## Bài tập", "## Đọc thêm"]
    prose[0] += "\n```\n![](khong_co.png)\n```\nvà `![](khong_co.png)`"  # a sample is no picture
    cells = [v4.new_markdown_cell(text) for text in prose]
    cells.insert(2, v4.new_code_cell("import ganlib", execution_count=1))
    picture = shown({"image/png": "AA"})
    cells.insert(3, v4.new_code_cell("print('a')", execution_count=2, outputs=[said("a\n"), picture]))
    whole = v4.new_notebook(cells=cells)
    whole["metadata"]["ganlib"] = {"hash": notebook_hash(whole)}
    return whole


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "notebooks").mkdir()
    for place in (tmp_path, tmp_path / "notebooks"):
        (place / "GAN.png").write_bytes(b"")
    return tmp_path / "notebooks"


def out(output):
    return lambda n: n["cells"][3]["outputs"].append(output)


def source(i, text):
    return lambda n: n["cells"][i].update(source="# Tiêu đề\n" * (i == 0) + text)


BREAKS = {
    "count missing": lambda n: n["cells"][2].update(execution_count=None),
    "error": out(v4.new_output("error", ename="E", evalue="", traceback=[])),
    "warning": out(said("cảnh báo", "stderr")),
    "code changed": source(3, "print('b')"),
    "never executed": lambda n: n["metadata"].pop("ganlib"),
    "Markdown picture without alt": source(0, "![](GAN.png)"),
    "Markdown <img> without alt": source(0, '<img src="GAN.png">'),
    "empty alt": out(shown({"image/png": "AA"}, " ")),
    "picture in HTML alone": out(shown({"text/html": '<img alt="một số" src="data:image/png;base64,AA">'})),
    "HTML <img> without alt": out(shown({"image/png": "AA", "text/html": '<img src="AA">'})),
    "vector picture alone": out(shown({"image/svg+xml": "<svg/>"})),
    "missing file": source(0, "[tiếp](khong_co.ipynb)"),
    "picture outside": source(0, "![ảnh](../GAN.png)"),
    "NFD prose": source(0, "Tie\u0302\u0301ng"),
    "no opening": lambda n: n["cells"].pop(1),
    "closing out of order": lambda n: n["cells"].append(n["cells"].pop(4)),
    "long cell": source(3, "x = 1\n" * 31),
    "large": out(said("a" * 1_000_000)),
    "path printed": out(said("ở /home/lan/data")),
    "Windows path in HTML": out(shown({"text/html": ["<b>C:\\Users\\lan</b>"]})),
    "sample data": out(said("MNIST: BỘ MẪU đi kèm ganlib")),
    "reduced run": out(said("Chạy rút gọn: 1 epoch (GANLIB_EPOCHS)")),
    "a second title": lambda n: n["cells"][1].update(source="# Tiêu đề\n## Bạn sẽ học gì"),
    "a level left out": source(0, "### Bước"),
    "a link that says nothing": source(0, "Xem [ở đây](GAN.png)."),
    "a bare address": source(0, "[https://arxiv.org](https://arxiv.org)"),
    "a solution among other text": source(5, "## Bài tập\n<details><summary>Lời giải</summary>1</details>"),
    "widget state": lambda n: n["metadata"].update(widgets={}),
    "widget view": out(shown({checks.WIDGET: {"model_id": "1"}})),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_good_notebook_has_no_faults_and_a_broken_one_has_one(name, folder):
    broken = good()
    assert checks.check_notebook(broken, folder) == []
    BREAKS[name](broken)
    if name not in ("code changed", "never executed"):
        broken["metadata"]["ganlib"] = {"hash": notebook_hash(broken)}
    assert len(checks.check_notebook(broken, folder)) == 1


VIEW = """
import ipywidgets
view = ipywidgets.IntSlider()._repr_mimebundle_()
display({"text/plain": "k", "image/png": "AA", **view}, raw=True)
"""


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A function: the sources of code cells -> the path of a notebook that has never been executed."""
    monkeypatch.setenv("GANLIB_STRICT", "1")

    def write(*sources):
        cells = [v4.new_code_cell(source, id=f"o-{i}") for i, source in enumerate(sources)]
        nbformat.write(v4.new_notebook(cells=cells, metadata={"widgets": {}}), tmp_path / "mot.ipynb")
        return tmp_path / "mot.ipynb"

    return write


def test_a_refresh_writes_what_is_true_and_the_same_each_time(make):
    path = make("print(1)\nprint(2)", VIEW)
    refresh.refresh(path)
    first = path.read_bytes()
    done = json.loads(first)
    assert checks.check_counts(done) + checks.check_hash(done) + checks.check_widgets(done) == []
    assert [cell["metadata"] for cell in done["cells"]] == [{}, {}]
    assert done["metadata"]["language_info"] == {"name": "python"}
    text, picture = (cell["outputs"][0] for cell in done["cells"])
    assert text["text"] == ["1\n", "2\n"] and set(picture["data"]) == {"text/plain", "image/png"}
    refresh.refresh(path)
    assert path.read_bytes() == first, "a second run makes a diff"


def test_a_notebook_that_fails_stays_as_it_was(make):
    path = make("import ganlib", "ganlib.expect('a', 3, 1.0, 1.4)")
    before = path.read_bytes()
    assert refresh.refresh(path) is False
    assert path.read_bytes() == before
