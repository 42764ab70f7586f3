"""The refresh command: what it writes, what it leaves out, and that a failing notebook stays as it was."""

import json

import nbformat
import pytest
import refresh_notebooks as refresh
from notebook_checks import check_counts, check_hash, check_widgets

SOURCES = [
    "import os\nimport ganlib, ipywidgets\nprint(os.environ.get('GANLIB_STRICT'))",
    "print(1)\nprint(object())",
    "view = ipywidgets.IntSlider()._repr_mimebundle_()\n"
    "display({'text/plain': 'k', 'image/png': 'AA', **view}, raw=True)",
    "ganlib.expect('loss_D', 1.2, 1.0, 1.4)",
]


def make(path, sources):
    cells = [nbformat.v4.new_code_cell(source, id=f"o-{i}") for i, source in enumerate(sources)]
    cells[0]["metadata"] = {"tags": ["mo-dau"], "execution": {"iopub.status.busy": "2026"}, "scrolled": True}
    metadata = {"widgets": {}, "language_info": {"name": "python", "version": "3.0"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


@pytest.fixture
def strict(monkeypatch):
    monkeypatch.setenv("GANLIB_STRICT", "1")


def test_what_is_written(tmp_path, strict):
    path = make(tmp_path / "mot.ipynb", SOURCES)
    refresh.refresh(path, store=True)
    first = path.read_bytes()
    notebook = json.loads(first)
    assert check_counts(notebook) + check_hash(notebook) + check_widgets(notebook) == []
    assert [cell["id"] for cell in notebook["cells"]] == ["o-0", "o-1", "o-2", "o-3"]
    assert notebook["cells"][0]["metadata"] == {"tags": ["mo-dau"]}
    assert notebook["metadata"]["language_info"] == {"name": "python"}
    outputs = [cell["outputs"][0] for cell in notebook["cells"]]
    assert outputs[0]["text"] == ["1\n"]
    assert outputs[1]["text"] == ["1\n", "<object object at 0x…>\n"]
    assert set(outputs[2]["data"]) == {"text/plain", "image/png"}
    refresh.refresh(path, store=True)
    assert path.read_bytes() == first, "a second run makes a diff"
    assert [file.name for file in tmp_path.iterdir()] == ["mot.ipynb"]


@pytest.mark.parametrize("source", ["1 / 0", "import ganlib\nganlib.expect('loss_D', 3, 1.0, 1.4)"])
def test_a_failing_notebook_stays_as_it_was(tmp_path, strict, source):
    path = make(tmp_path / "mot.ipynb", ["print(1)", source])
    before = path.read_bytes()
    assert refresh.refresh(path, store=True) is False
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_nothing_is_written_when_asked_not_to(tmp_path):
    path = make(tmp_path / "mot.ipynb", ["print(1)"])
    before = path.read_bytes()
    refresh.refresh(path, store=False)
    assert path.read_bytes() == before


def test_names_are_found_or_named(capsys):
    with pytest.raises(SystemExit, match="Không có notebook: khong_co"):
        refresh.find(["khong_co"])
    with pytest.raises(SystemExit):
        refresh.main(["--help"])
    assert "Cách dùng" in capsys.readouterr().out
