"""Slides for the four lessons, one page each, from the same notebooks; reveal.js and MathJax lie beside them.

    pip install -r tests/reading/requirements.txt
    python notebooks/lop_hoc/trang_chieu.py [FOLDER]        # build/chieu, where none is named

Marks are the slide types that JupyterLab itself sets in a cell's metadata: "slide" begins one, "-" goes on with it.
Of a marked text only headings, formulas, tables, quotations, lists and pictures are shown; its other paragraphs,
and texts without a mark, are the speaker's notes (key S). Code without a mark is left out; with
{"class": {"only": "output"}} its picture stands alone. A slide that is too tall for the page is made smaller.
"""

import argparse
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter

HERE = Path(__file__).resolve().parent
LESSONS = {
    "buoi_1": ("Buổi 1. Trò chơi", "00", "01", "02"),
    "buoi_2": ("Buổi 2. Một vòng lặp", "03"),
    "buoi_3": ("Buổi 3. Kết quả", "04", "05"),
    "buoi_4": ("Buổi 4. Vì sao, và khi hỏng", "06", "09"),
}
SHOWN = re.compile(r"(#|\$\$|\||>|[-*] |\d+\. |!\[|<img|```|---)")  # how a paragraph that is shown begins


def paragraphs(text: str) -> list[str]:
    """Of Markdown; what a fence or $$ encloses stays in one piece."""
    pieces = re.split(r"(?ms)(^```.*?^```$|^\$\$.*?^\$\$$|^<details>.*?</details>)", text)
    split = [[piece] if i % 2 else re.split(r"\n\s*\n", piece) for i, piece in enumerate(pieces)]
    return [one.strip("\n") for group in split for one in group if one.strip()]


def slide(cell, kind: str, source: str):
    """A cell of a slide: of this type, with this source."""
    made = nbformat.from_dict(cell | {"source": source, "metadata": {"slideshow": {"slide_type": kind}}})
    if cell.cell_type == "code" and cell.metadata.get("class", {}).get("only") == "output":
        made.metadata["transient"] = {"remove_source": True}
    return made


def deck(title: str, notebooks: list):
    """One notebook of all marked cells: on a slide what is shown, in its notes what is said."""
    first = nbformat.v4.new_markdown_cell(f"# {title}", metadata={"slideshow": {"slide_type": "slide"}})
    cells, heading = [first], ""
    for cell in (cell for notebook in notebooks for cell in notebook.cells):
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "skip" if cell.cell_type == "code" else "notes")
        if kind == "skip":
            continue
        if cell.cell_type == "code":
            if kind != "-":
                cells.append(slide(first, kind, heading))
            cells.append(slide(cell, "-", cell.source))
            continue
        shown = [p for p in paragraphs(cell.source) if kind != "notes" and SHOWN.match(p)]
        said = [p for p in paragraphs(cell.source) if p not in shown and not p.startswith("<details>")]
        headings = [p for p in shown if p.startswith("#")]
        if kind == "slide" and shown and not headings:
            shown.insert(0, heading)
        heading = (headings or [heading])[-1]
        if shown:
            cells.append(slide(cell, kind, "\n\n".join(shown)))
        if said:
            cells.append(slide(cell, "notes", "\n\n".join(said)))
    for number, cell in enumerate(cells):
        cell["id"] = f"o-{number}"
    return nbformat.v4.new_notebook(cells=cells, metadata={"title": title, "language_info": {"name": "python"}})


def folder_of(package: str, *parts: str) -> Path:
    return Path(find_spec(package).origin).parent.joinpath(*parts)


def main(folder: str = "build/chieu") -> None:
    place = Path(folder)
    shutil.copytree(folder_of("sphinx_revealjs", "_static", "revealjs"), place / "reveal.js", dirs_exist_ok=True)
    shutil.copytree(folder_of("sphinx-mathjax-offline", "static", "mathjax"), place / "mathjax", dirs_exist_ok=True)
    template = (HERE / "trang_chieu.html.j2").read_text(encoding="utf-8")
    exporter = SlidesExporter(raw_template=template, reveal_url_prefix="reveal.js", reveal_theme="white")
    for name, (title, *numbers) in LESSONS.items():
        paths = [path for number in numbers for path in sorted(HERE.parent.glob(f"{number}_*.ipynb"))]
        made = deck(title, [nbformat.read(path, as_version=4) for path in paths])
        page, _ = exporter.from_notebook_node(made, {"metadata": {"name": title}, "language_code": "vi"})
        (place / f"{name}.html").write_text(page, encoding="utf-8")
    print(f"Bốn bộ trang chiếu nằm trong {place}: mở bằng trình duyệt, phím S là lời giảng.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Làm bốn bộ trang chiếu.")
    parser.add_argument("folder", nargs="?", default="build/chieu", metavar="THƯ_MỤC", help="mặc định: build/chieu")
    main(parser.parse_args().folder)
