"""What keeps the notebooks true: their seal, the checks (each can fail), the refresh."""

import json

import nbformat
import notebook_checks as checks
import pytest
import refresh_notebooks as refresh
from nbformat import v4
from notebook_seal import code_hash, seal

PACKAGE = {
    "__init__": "",
    "a": '"""Doc."""\nfrom pkg import b\n\n\ndef f(x):\n    """Doc."""\n    return b.g(x)\n',
    "b": "def g(x):\n    import pkg.record\n    return x + 1\n",
    "record": "",
    "other": "x = 1\n",
    "exercises/__init__": "x = 1\n",
    "assets/mnist.pt.xz": "weights",
    "assets/fashion.pt.xz": "weights",
}
CELL = 'from pkg import exercises\nfrom pkg.a import f\nf(1)\nread("mnist")'


@pytest.mark.parametrize(
    "name, old, new, counts",
    [
        ("a", "b.g(x)", "-b.g(x)", True),
        ("b", "x + 1", "x + 2", True),  # reached through a
        ("assets/mnist.pt.xz", "weights", "others", True),  # read by record, reached inside a function
        ("assets/fashion.pt.xz", "weights", "others", False),  # no cell names it
        ("a", "Doc.", "Other words.", False),
        ("a", "import b\n", "import b\n\n# why\n", False),
        ("other", "1", "2", False),
        ("exercises/__init__", "1", "2", False),
    ],
)
def test_the_code_of_a_notebook_is_its_cells_and_what_they_import(tmp_path, name, old, new, counts):
    package, files = tmp_path / "pkg", {}
    for stem, content in PACKAGE.items():
        files[stem] = package / (stem if "." in stem else f"{stem}.py")
        files[stem].parent.mkdir(parents=True, exist_ok=True)
        files[stem].write_text(content)
    cells = {"cells": [{"cell_type": "code", "source": CELL}]}
    before = code_hash(cells, package)
    assert before != code_hash({"cells": [{"cell_type": "code", "source": [CELL, ";"]}]}, package)
    files[name].write_text(PACKAGE[name].replace(old, new), newline="\r\n")
    assert (code_hash(cells, package) != before) == counts


def said(text, name="stdout"):
    return v4.new_output("stream", name=name, text=text)


def shown(data, alt="một số"):
    return v4.new_output("display_data", data, metadata={"image/png": {"alt": alt}})


def good():
    """A small notebook without faults."""
    prose = ["# Tiêu đề", "## Bạn sẽ học gì\n![cấu trúc](GAN.png)", "## Tóm tắt", "## Bài tập", "## Đọc thêm"]
    prose[0] += "\n```\n![](khong_co.png)\n```\nvà `![](khong_co.png)`"  # a sample is no picture
    cells = [v4.new_markdown_cell(text) for text in prose]
    cells.insert(2, v4.new_code_cell("import ganlib\nassert ganlib", execution_count=1))
    picture = shown({"image/png": "AA"})
    cells.insert(3, v4.new_code_cell("print('a')", execution_count=2, outputs=[said("a\n"), picture]))
    cells[3]["metadata"]["tags"] = [checks.CHECKED]
    return sealed(v4.new_notebook(cells=cells))


def sealed(notebook):
    code = code_hash(notebook)
    notebook["metadata"]["ganlib"] = {"code": code, "seal": seal(notebook, code)}
    return notebook


def out(output):
    return lambda n: n["cells"][3]["outputs"].append(output)


def source(i, text):
    return lambda n: n["cells"][i].update(source="# Tiêu đề\n" * (i == 0) + text)


BREAKS = {
    "count missing": lambda n: n["cells"][2].update(execution_count=None),
    "error": out(v4.new_output("error", ename="E", evalue="", traceback=[])),
    "warning": out(said("cảnh báo", "stderr")),
    "fewer invariants": lambda n: n["cells"][3]["metadata"].clear(),
    "a placeholder": source(0, "ở ⟦số⟧"),
    "Markdown picture without alt": source(0, "![](GAN.png)"),
    "empty alt": out(shown({"image/png": "AA"}, " ")),
    "picture in HTML alone": out(shown({"text/html": '<img alt="một số" src="data:image/png;base64,AA">'})),
    "missing file": source(0, "[tiếp](khong_co.ipynb)"),
    "picture outside": source(0, "![ảnh](../GAN.png)"),
    "NFD prose": source(0, "Tie\u0302\u0301ng"),
    "no opening": lambda n: n["cells"].pop(1),
    "closing out of order": lambda n: n["cells"].append(n["cells"].pop(4)),
    "long cell": source(3, "x = 1\n" * 31),
    "large": out(said("a" * 1_000_000)),
    "path printed": out(said("ở /home/lan/data")),
    "reduced run": out(said("Chạy rút gọn: 1 epoch (GANLIB_EPOCHS)")),
    "a level left out": source(0, "### Bước"),
    "a link that says nothing": source(0, "Xem [ở đây](GAN.png)."),
    "a solution among other text": source(5, "## Bài tập\n<details><summary>Lời giải</summary>1</details>"),
    "widget state": lambda n: n["metadata"].update(widgets={}),
    "widget view": out(shown({checks.WIDGET: {"model_id": "1"}})),
}
UNSEALED = {
    "code changed": source(3, "print('b')"),
    "never executed": lambda n: n["metadata"].pop("ganlib"),
    "a number changed": lambda n: n["cells"][3]["outputs"][0].update(text="b\n"),
    "a picture changed": lambda n: n["cells"][3]["outputs"][1]["data"].update({"image/png": "AB"}),
}


@pytest.mark.parametrize("name", [*BREAKS, *UNSEALED])
def test_a_good_notebook_has_no_faults_and_a_broken_one_has_one(name, tmp_path):
    folder, broken = tmp_path / "notebooks", good()
    folder.mkdir()
    for place in (tmp_path, folder):
        (place / "GAN.png").write_bytes(b"")
    assert checks.check_notebook(broken, folder) == []
    (BREAKS | UNSEALED)[name](broken)
    broken = sealed(broken) if name in BREAKS else broken
    assert len(checks.check_notebook(broken, folder)) == 1


VIEW = """
import ipywidgets
view = ipywidgets.IntSlider()._repr_mimebundle_()
display({"text/plain": "k", "image/png": "AA", **view}, raw=True)
"""


def never_executed(folder, *sources):
    """The path of a notebook of these code cells."""
    cells = [v4.new_code_cell(source, id=f"o-{i}") for i, source in enumerate(sources)]
    cells[0]["metadata"]["tags"] = ["kept"]
    nbformat.write(v4.new_notebook(cells=cells, metadata={"widgets": {}}), folder / "mot.ipynb")
    return folder / "mot.ipynb"


def test_a_refresh_writes_what_is_true_and_the_same_each_time(tmp_path):
    path = never_executed(tmp_path, "print(1)\nprint(2)", VIEW)
    refresh.refresh(path)
    first = path.read_bytes()
    done = json.loads(first)
    assert checks.check_counts(done) + checks.check_seal(done) + checks.check_widgets(done) == []
    assert [cell["metadata"] for cell in done["cells"]] == [{"tags": ["kept"]}, {}]
    text, picture = (cell["outputs"][0] for cell in done["cells"])
    assert text["text"] == ["1\n", "2\n"] and set(picture["data"]) == {"text/plain", "image/png"}
    refresh.refresh(path)
    assert path.read_bytes() == first, "a second run makes a diff"


def test_a_notebook_that_fails_stays_as_it_was(tmp_path):
    path = never_executed(tmp_path, "1 / 0")
    before = path.read_bytes()
    assert refresh.refresh(path) is False and path.read_bytes() == before
