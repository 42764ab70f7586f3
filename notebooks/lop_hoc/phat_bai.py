"""The class edition: students write what a lesson turns on; solutions, answers and outputs leave.

    python notebooks/lop_hoc/phat_bai.py [FOLDER]        # build/lop, where none is named

Marks are out of readers' sight, in the metadata of a cell, under "class":
{"blank": [["first line", "last line"], …], "write": "thân hàm update_D", "check": "kiem_tra_buoc_D(update_D)"}:
these lines, named by how they begin, give way to "..." with their comments as hints, and a check that stops
Run All follows the cell; {"leave": true}: the cell leaves.
"""

import argparse
import ast
import re
import shutil
from pathlib import Path

import nbformat

HERE = Path(__file__).resolve().parent
ANSWER = re.compile(r"\n*<details>\s*<summary>(Lời giải|Trả lời|Đáp án)(?:(?!</details>).)*</details>", re.S)
POINTER = re.compile(r" Bí (quá thì|hẳn mới) mở (\*\*Lời giải\*\*|lời giải của \*riêng ô ấy\*)\.")


def blank(source: str, spans: list, words: str) -> str:
    """The code with the lines of each span blank: "..." inside a function, else an error that says `words`."""
    lines = source.splitlines()
    for first, last in spans:
        starts = [i for i, line in enumerate(lines) if line.strip().startswith(first)]
        ends = [i for i, line in enumerate(lines) if starts and i >= starts[0] and line.strip().startswith(last)]
        if not ends:
            raise ValueError(f"không tìm thấy đoạn {first!r} … {last!r} trong ô:\n{source}")
        a, b = starts[0], ends[0]
        functions = [f for f in ast.walk(ast.parse("\n".join(lines))) if isinstance(f, ast.FunctionDef)]
        inside = any(f.lineno <= a < f.end_lineno for f in functions)
        indent = re.match(r"\s*", lines[a])[0]
        hints = [indent + found[1] for line in lines[a : b + 1] if (found := re.search(r"(?:^|\s)(# .*)", line))]
        empty = f"...  # {words}" if inside else f"raise NotImplementedError({f'Hãy viết {words}'!r})"
        lines[a : b + 1] = [*hints, indent + empty]
    return "\n".join(lines)


def class_edition(notebook, name: str):
    """The students' form of a notebook, e.g. of "03"; the one that is handed in stays as it is."""
    cells, number = [], 0
    for cell in map(nbformat.from_dict, notebook.cells):
        mark, folded = cell.metadata.get("class", {}), cell.metadata.get("jupyter")
        cell = nbformat.from_dict(cell | {"metadata": {"jupyter": folded} if folded else {}})
        if cell.cell_type == "code":
            cell |= {"outputs": [], "execution_count": None}
        else:
            cell["source"] = POINTER.sub("", ANSWER.sub("", cell.source))
        if mark.get("leave") or not cell.source.strip():
            continue
        cells.append(cell)
        if "blank" in mark:
            number += 1
            where, check = f"ô trống {number} của bài {name}: {mark['write']}", mark.get("check")
            cell["source"] = blank(cell.source, mark["blank"], where)
        if mark.get("check"):
            load = f"from kiem_tra_o_trong import {check.partition('(')[0]}"
            stop = f'assert {check}, "Dừng ở {where}. Viết vào đó, chạy ô đó, rồi chạy lại ô này."'
            cells.append(nbformat.v4.new_code_cell(f"{load}\n\n{stop}", id=f"{cell.id[:50]}-kiem-tra"))
    return nbformat.from_dict(notebook | {"cells": cells, "metadata": {"kernelspec": notebook.metadata.kernelspec}})


def main(folder: str = "build/lop") -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path in [*sorted(HERE.parent.glob("*.ipynb")), HERE / "bai_lon.ipynb"]:
        edition = class_edition(nbformat.read(path, as_version=4), path.stem.partition("_")[0].replace("bai", "lớn"))
        nbformat.write(edition, Path(folder) / path.name)
    quiz = ANSWER.sub("\n", (HERE / "cau_hoi.md").read_text(encoding="utf-8"))
    (Path(folder) / "cau_hoi.md").write_text(quiz, encoding="utf-8")
    for path in (HERE.parent / "mot_trang.py", HERE / "kiem_tra_o_trong.py"):  # what its notebooks import
        shutil.copy(path, folder)
    print(f"Bản cho sinh viên nằm trong {folder}.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Làm bản cho sinh viên: ô trống, không lời giải, không kết quả.")
    parser.add_argument("folder", nargs="?", default="build/lop", metavar="THƯ_MỤC", help="mặc định: build/lop")
    main(parser.parse_args().folder)
