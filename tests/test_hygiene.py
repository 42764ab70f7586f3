"""Every notebook of the series is whole and true, every text file NFC; each check is shown able to fail."""

import copy
import json
import subprocess
from pathlib import Path

import notebook_checks as checks
import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
TEXT = {".py", ".md", ".ipynb", ".toml", ".txt", ".json", ".svg", ".html", ".yml"}
SKIPPED = {"data", "build", "output"}


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path):
    faults = checks.check_notebook(read(path), FOLDER)
    faults += checks.check_size(path.stat().st_size)
    faults += checks.check_map(path.name, (ROOT / "README.md").read_text(encoding="utf-8"))
    assert not faults, "\n".join(faults)


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_readme_has_alt_texts_and_no_missing_file():
    readme = {"cells": [markdown((ROOT / "README.md").read_text(encoding="utf-8"))]}
    assert not checks.check_links(readme, ROOT) + checks.check_alt(readme)


def text_files() -> list[Path]:
    """What git tracks; in a copy without git, all files outside hidden and generated folders."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    if not paths:
        paths = [path for path in ROOT.rglob("*") if path.is_file()]
        parts = [path.relative_to(ROOT).parts for path in paths]
        paths = [p for p, q in zip(paths, parts, strict=True) if q[0] not in SKIPPED and q[0][0] != "."]
    return [path for path in paths if path.exists() and (path.suffix in TEXT or path.parent.name == ".ci")]


def test_all_text_is_nfc():
    faults = [
        f"{p}: {fault}" for p in text_files() for fault in checks.check_nfc(p.read_text(encoding="utf-8"))
    ]
    assert not faults, "\n".join(faults)


# --- each check can fail ---


def markdown(source: str) -> dict:
    return {"cell_type": "markdown", "id": "m", "metadata": {}, "source": source}


def code(source: str, count: int, *outputs: dict) -> dict:
    outputs = [{"metadata": {}, **output} for output in outputs]
    return {"cell_type": "code", "id": "c", "metadata": {}, "source": source, "execution_count": count} | {
        "outputs": outputs
    }


def stream(text: str, name: str = "stdout") -> dict:
    return {"output_type": "stream", "name": name, "text": text}


def picture(alt: str | None) -> dict:
    return {
        "output_type": "display_data",
        "data": {"text/html": f'<img alt="{alt}" src="data:image/png;base64,AA">'},
    }


def good() -> dict:
    """A small notebook without faults."""
    notebook = {
        "metadata": {},
        "cells": [
            markdown("# Tiêu đề"),
            markdown("## Bạn sẽ học gì · Cần gì · Bao lâu\n![cấu trúc của GAN](GAN.png)"),
            code("import ganlib", 1),
            code("print('a')", 2, stream("a\n"), picture("một con số")),
            markdown("## Tóm tắt"),
            markdown("## Bài tập"),
            markdown("## Đọc thêm"),
        ],
    }
    notebook["metadata"]["ganlib"] = {"hash": checks.notebook_hash(notebook)}
    return notebook


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "notebooks"
    inside.mkdir()
    for place in (tmp_path, inside):
        (place / "GAN.png").write_bytes(b"")
    return inside


def test_a_good_notebook_has_no_faults(folder):
    assert checks.check_notebook(good(), folder) == []


def bare_png(notebook):
    png = {"output_type": "display_data", "data": {"image/png": "AA"}, "metadata": {}}
    notebook["cells"][3]["outputs"].append(png)


BREAKS = {
    "count missing": ("check_counts", lambda n: n["cells"][2].update(execution_count=None)),
    "count skipped": ("check_counts", lambda n: n["cells"][3].update(execution_count=3)),
    "empty cell": ("check_counts", lambda n: n["cells"][2].update(source=" \n")),
    "output without count": (
        "check_counts",
        lambda n: n["cells"][3]["outputs"].append(
            {"output_type": "execute_result", "execution_count": None, "data": {}, "metadata": {}}
        ),
    ),
    "error": (
        "check_errors",
        lambda n: n["cells"][3]["outputs"].append(
            {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
        ),
    ),
    "warning": ("check_stderr", lambda n: n["cells"][3]["outputs"].append(stream("cảnh báo", "stderr"))),
    "code changed": ("check_hash", lambda n: n["cells"][3].update(source="print('b')")),
    "never executed": ("check_hash", lambda n: n["metadata"].pop("ganlib")),
    "Markdown picture": ("check_alt", lambda n: n["cells"][0].update(source="![](GAN.png)")),
    "Markdown <img>": ("check_alt", lambda n: n["cells"][0].update(source='<img src="GAN.png">')),
    "bare PNG": ("check_alt", bare_png),
    "empty alt": ("check_alt", lambda n: n["cells"][3]["outputs"].append(picture(" "))),
    "missing file": ("check_links", lambda n: n["cells"][0].update(source="[tiếp](khong_co.ipynb)")),
    "picture outside": ("check_links", lambda n: n["cells"][0].update(source="![ảnh](../GAN.png)")),
    "NFD prose": ("check_notebook_nfc", lambda n: n["cells"][0].update(source="# Tie\u0302\u0301ng")),
    "no opening": ("check_sections", lambda n: n["cells"].pop(1)),
    "no summary": ("check_sections", lambda n: n["cells"].pop(4)),
    "no exercises": ("check_sections", lambda n: n["cells"].pop(5)),
    "no reading": ("check_sections", lambda n: n["cells"].pop(6)),
    "closing out of order": ("check_sections", lambda n: n["cells"].append(n["cells"].pop(4))),
    "long cell": ("check_cell_length", lambda n: n["cells"][3].update(source="x = 1\n" * 31)),
    "path printed": ("check_paths", lambda n: n["cells"][3]["outputs"].append(stream("ở /home/lan/data"))),
    "Windows path": ("check_paths", lambda n: n["cells"][3]["outputs"].append(stream("ở C:\\Users\\lan"))),
    "path in HTML": (
        "check_paths",
        lambda n: n["cells"][3]["outputs"].append(
            {"output_type": "display_data", "data": {"text/html": ["<b>/tmp/x</b>"]}, "metadata": {}}
        ),
    ),
    "reduced run": (
        "check_full_run",
        lambda n: n["cells"][3]["outputs"].append(stream("Chạy rút gọn: 1 epoch (GANLIB_EPOCHS)")),
    ),
    "sample data": (
        "check_full_run",
        lambda n: n["cells"][3]["outputs"].append(stream("MNIST: BỘ MẪU đi kèm ganlib")),
    ),
    "widget state": ("check_widgets", lambda n: n["metadata"].update(widgets={})),
    "widget view": (
        "check_widgets",
        lambda n: n["cells"][3]["outputs"].append(
            {
                "output_type": "display_data",
                "data": {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}},
                "metadata": {},
            }
        ),
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_check_fails(name, folder):
    check, break_it = BREAKS[name]
    notebook = copy.deepcopy(good())
    break_it(notebook)
    arguments = (notebook, folder) if check == "check_links" else (notebook,)
    assert getattr(checks, check)(*arguments)
    assert checks.check_notebook(notebook, folder), "check_notebook leaves this check out"


def test_file_checks_fail():
    assert checks.check_size(999_999) == [] and checks.check_size(1_000_000)
    assert checks.check_map("01_x.ipynb", "[một](notebooks/01_x.ipynb)") == []
    assert checks.check_map("01_x.ipynb", "[hai](notebooks/02_x.ipynb) 01_x.ipynb")
    assert checks.check_nfc("Tiếng") == [] and checks.check_nfc("Tie\u0302\u0301ng")


def test_code_samples_in_prose_are_no_pictures(folder):
    notebook = good()
    notebook["cells"][0]["source"] = "```\n![](khong_co.png)\n```\nvà `![](khong_co.png)`"
    assert checks.check_notebook(notebook, folder) == []


def test_the_words_of_a_reduced_run_are_those_that_ganlib_prints(capsys):
    import ganlib
    from ganlib import data

    ganlib.report()
    assert "Chạy rút gọn" in capsys.readouterr().out
    assert "BỘ MẪU" in Path(data.__file__).read_text(encoding="utf-8")
