"""What is made of the committed notebooks: for a class, and pages to read (slow); the exact versions."""

import json
import re
import subprocess
import sys

import pytest
from conftest import NOTEBOOKS, ROOT

README = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")


def test_the_class_edition_has_no_solution_and_no_output_and_all_the_rest(tmp_path):
    """By the README's own command, but for the folders."""
    command = re.search(
        r"^jupyter (nbconvert --to notebook .*) --output-dir \S+ notebooks/\S+$", README, re.M
    )
    options = [one.replace('"', "") for one in re.findall(r'(?:"[^"]*"|\S)+', command[1])]
    subprocess.run([sys.executable, "-m", *options, "--output-dir", tmp_path, *NOTEBOOKS], check=True)
    for path in NOTEBOOKS:
        whole, given = (json.loads(p.read_text(encoding="utf-8")) for p in (path, tmp_path / path.name))
        kept = [cell for cell in whole["cells"] if "<summary>Lời giải" not in "".join(cell["source"])]
        assert [cell["source"] for cell in given["cells"]] == [cell["source"] for cell in kept]
        assert not any(cell.get("outputs") or cell.get("execution_count") for cell in given["cells"])


@pytest.mark.slow
def test_the_reading_edition_builds_without_a_dead_link(tmp_path):
    """Sphinx warns of each link, to a page or a heading, that leads nowhere; nothing comes from outside."""
    pytest.importorskip("myst_nb", reason="cần pip install -r tests/reading/requirements.txt")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", ROOT / "tests" / "reading"]
    done = subprocess.run([*command, ROOT, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for path in NOTEBOOKS:
        page = (tmp_path / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
        assert not re.search(r'<(script|link|img)\b[^>]*(src|href)="(https?:)?//', page)


def test_the_lock_names_what_the_outputs_come_from():
    """Each requirement with one exact version; that which the notebooks print."""
    lock = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "tests" / "lock.txt").read_text(), re.M))
    needed = re.findall(r"^([\w-]+)>=", (ROOT / "requirements.txt").read_text(), re.M)
    assert needed and set(needed) <= set(lock)
    for path in NOTEBOOKS:
        said = re.search(r"Phiên bản: (.*?)\\n", path.read_text(encoding="utf-8"))
        printed = dict(re.findall(r"\b([a-z]\w+) ([\d.]+)", said[1])) if said else {}
        assert printed and printed.items() <= lock.items(), path.name
