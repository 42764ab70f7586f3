"""What is made of the committed notebooks: for a class, slides, and pages to read (slow)."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec

import nbformat
import phat_bai
import pytest
import trang_chieu
from conftest import HANGS, NOTEBOOKS, ROOT
from nbclient import NotebookClient

README = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
LESSONS = [lesson.partition("\n## ")[0] for lesson in re.split(r"^### Buổi \d\. ", README, flags=re.M)[1:]]
FOLDED = re.compile(r"<summary>(Lời giải|Trả lời|Đáp án)")


def needs(*packages):
    """Skip a test where one is missing; in CI fail it."""
    if not all(map(find_spec, packages)):
        why = "cần tests/requirements-browser.txt và tests/reading/requirements.txt"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)


@pytest.fixture(scope="module")
def editions(tmp_path_factory):
    """What the README's command gives to students: name -> notebook; and the folder."""
    folder = tmp_path_factory.mktemp("lop")
    assert "python notebooks/lop_hoc/phat_bai.py build/lop" in README
    phat_bai.main(folder)
    return folder, {path.name: nbformat.read(path, as_version=4) for path in folder.glob("*.ipynb")}


def test_the_class_edition_has_no_solution_no_answer_and_no_output(editions):
    """Every notebook is there, and the assignment; the cells that are left are those of the teacher's."""
    folder, made = editions
    paths = [*NOTEBOOKS, ROOT / "notebooks" / "lop_hoc" / "bai_lon.ipynb"]
    assert set(made) == {path.name for path in paths}
    for path in paths:
        whole = {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}
        for cell in made[path.name].cells:
            assert not FOLDED.search(cell.source) and not cell.get("outputs") and not {*cell.metadata} - {"jupyter"}
            teacher = whole.get(cell.id)
            if cell.id.endswith("-kiem-tra"):
                assert cell.source.startswith("from kiem_tra_o_trong import kiem_tra_")
            elif "blank" not in teacher.metadata.get("class", {}) and not FOLDED.search(teacher.source):
                assert cell.source == phat_bai.POINTER.sub("", teacher.source)
    assert (folder / "mot_trang.py").exists()  # notebook 10 runs it
    quiz = (folder / "cau_hoi.md").read_text(encoding="utf-8")
    assert not FOLDED.search(quiz) and quiz.count("**5.**") == 4


@pytest.mark.parametrize("name, number", [("02", 2), ("03", 3), ("04", 1)])
def test_what_a_lesson_turns_on_is_blank_and_a_check_follows(editions, name, number):
    (notebook,) = (book for title, book in editions[1].items() if title.startswith(name))
    last, next_one = (f"ô trống {n} của bài {name}" for n in (number, number + 1))
    blank = [i for i, cell in enumerate(notebook.cells) if last in cell.source]
    assert len(blank) == 2 and blank[1] == blank[0] + 1
    assert not any(next_one in cell.source for cell in notebook.cells)
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        compile(re.sub(r"(?m)^[%!].*", "", cell.source), name, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["02", "03"])
def test_filled_in_the_class_edition_runs_like_the_original(editions, name):
    """Its blanks filled with the teacher's lines: every check of a blank passes, and the outputs are the same."""
    (path,) = (path for path in NOTEBOOKS if path.name.startswith(name))
    whole, filled, said = nbformat.read(path, as_version=4), editions[1][path.name], []
    right = {cell.id: cell.source for cell in whole.cells}
    for cell in filled.cells:
        cell["source"] = right.get(cell.id, cell.source)
    for notebook, folder in ((whole, path.parent), (filled, editions[0])):
        place = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=HANGS, resources=place, coalesce_streams=True).execute()
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        said.append({cell.id: [output.get("text") for output in cell.outputs] for cell in cells})
    checks = [words for cell, words in said[1].items() if cell.endswith("-kiem-tra")]
    assert checks and all(words == ["Đúng rồi!\n"] for words in checks)
    assert {cell: words for cell, words in said[1].items() if cell in said[0]} == said[0]


def test_the_four_lessons_add_up_and_what_they_project_is_there():
    """Their minutes; each heading in italics after a notebook's number stands in that notebook."""
    text = {path.name[:2]: path.read_text(encoding="utf-8") for path in NOTEBOOKS}
    assert len(LESSONS) == 4
    for lesson in LESSONS:
        rows = re.findall(r"^\| (\d+|–) \| (\d+|–) \| (.*?) \|", lesson, re.M)[1:]
        assert sum(int(a) for a, _, _ in rows) == 90 and sum(int(b) for _, b, _ in rows if b != "–") == 45
        number = re.match(r".*?\((\d\d)", lesson)[1]
        for _, _, row in rows:
            number = (re.match(r"(\d\d),", row) or [None, number])[1]
            for heading in re.findall(r"\*([^*]+)\*", row):
                assert heading.strip("…").rstrip("?") in text[number], (number, heading)


FITS = """() => {
  const slide = Reveal.getCurrentSlide(), box = slide.querySelector('.fit').getBoundingClientRect();
  return [box.bottom, box.right, +slide.dataset.zoom];
}"""


@pytest.mark.slow
def test_every_slide_fits_a_projector(tmp_path):
    """Four decks of about thirty; nothing is asked of a network; what was made smaller stays legible."""
    needs("playwright", "sphinx_revealjs")
    from playwright.sync_api import sync_playwright

    trang_chieu.main(tmp_path)
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in trang_chieu.LESSONS:
            page, asked = browser.new_page(viewport={"width": 1280, "height": 720}), []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(f"file://{tmp_path}/{name}.html", wait_until="commit")
            page.wait_for_function("document.body?.dataset.ready === 'yes'", timeout=HANGS * 1000)
            assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
            number = page.evaluate("Reveal.getTotalSlides()")
            assert 20 <= number <= 40, (name, number)
            for i in range(number):
                tall, wide, zoom = page.evaluate(FITS)
                assert tall <= 720 and wide <= 1280 and zoom >= 0.45, (name, i + 1, tall, wide, zoom)
                page.evaluate("Reveal.next()")
        browser.close()


@pytest.mark.slow
def test_the_reading_edition_builds_without_a_dead_link(tmp_path):
    """Sphinx warns of each link, to a page or a heading, that leads nowhere; nothing comes from outside."""
    needs("myst_nb")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", ROOT / "tests" / "reading"]
    done = subprocess.run([*command, ROOT, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for path in NOTEBOOKS:
        page = (tmp_path / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
        assert not re.search(r'<(script|link|img)\b[^>]*(src|href)="(https?:)?//', page)
