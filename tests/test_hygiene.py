"""Every notebook is whole and true, its pictures reach every page; README's numbers are measured; all text is NFC."""

import json
import re
import subprocess
from statistics import median

import nbformat
import notebook_checks as checks
import pytest
from conftest import NOTEBOOKS, ROOT, each_notebook
from nbconvert import HTMLExporter, LatexExporter

from ganlib import data, record

README = (ROOT / "README.md").read_text(encoding="utf-8")
SEEDS = json.loads((data.ASSETS / "seeds.json").read_text(encoding="utf-8"))["rows"]
TEXT = {".py", ".md", ".ipynb", ".toml", ".txt", ".json", ".svg", ".html", ".yml", ".cff", ".sh"}


@each_notebook
def test_a_notebook_is_whole_and_on_the_map(path):
    faults = checks.check_notebook(json.loads(path.read_text(encoding="utf-8")), path.parent)
    assert not faults, "\n".join(faults)
    assert f"(notebooks/{path.name})" in README


@each_notebook
def test_every_picture_is_in_sanitised_html_and_in_latex(path):
    """The pictures alone: all the prose would cost minutes."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in notebook.cells:
        cell.outputs = [output for output in cell.outputs if "image/png" in output.get("data", {})]
    count = sum(len(cell.outputs) for cell in notebook.cells)
    html, _ = HTMLExporter(sanitize_html=True).from_notebook_node(notebook)
    assert count == len(re.findall(r'<img [^>]*src="data:image/png;base64,', html)) > 0
    latex, resources = LatexExporter().from_notebook_node(notebook)
    assert count == len([name for name in resources["outputs"] if f"{{{name}}}" in latex])


@pytest.mark.parametrize("page", ["README.md", "notebooks/README.md", "tests/README.md"])
def test_a_page_has_alt_texts_no_missing_file_no_placeholder(page):
    path = ROOT / page
    whole = {"cells": [{"cell_type": "markdown", "source": path.read_text(encoding="utf-8")}]}
    assert checks.check_alt(whole) + checks.check_never(whole) + checks.check_links(whole, path.parent) == []


def test_all_text_is_nfc_and_no_file_is_large():
    """Of the files that git tracks, or would."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    paths = [path for path in (ROOT / name for name in listed.split("\0")) if path.is_file()]
    assert paths or pytest.skip("không có git ở đây")
    assert [path for path in paths if path.stat().st_size > 24_000_000] == []
    texts = {path: path.read_text(encoding="utf-8") for path in paths if path.suffix in TEXT}
    assert [(path, found) for path, text in texts.items() if (found := checks.check_nfc(text))] == []


def test_the_front_page_is_short_and_says_what_the_notebooks_and_recordings_do():
    """As `wc -w` counts; hours; of the recordings the lines of provenance, and the medians of three seeds."""
    assert len(README.split()) <= 2800 and README.index("## Bản đồ") < README.index("## Kết quả")
    for path in NOTEBOOKS:
        [minutes] = re.findall(rf"\(notebooks/{path.name}\) \|.*\| ([\d+×]+) \|", README)
        opening = path.read_text(encoding="utf-8").split("Bao lâu", 1)[1][:300]
        assert all(number in opening for number in re.findall(r"\d\d+", minutes)), path.name
    for name in data.KINDS:
        run = record.load(data.ASSETS / f"{name}.pt.xz")
        seeds = [row for row in SEEDS if row["data"] == name]
        for key, digits in {"parzen": 1, "frechet": 2, "precision": 3, "recall": 3}.items():
            assert seeds[0][key] == round(float(run.scores[key][-1]), digits)
        medians = {key: median(row[key] for row in seeds) for key in seeds[0] if key != "data"}
        row = "| **ở đây** | {parzen:.1f} ± {parzen_se:.1f} | {frechet:.1f} | {precision:.3f} | {recall:.3f} |"
        assert (
            run.provenance in README
            and row.format(**medians) in README[README.index(f"| {data.TITLES[name]} | Parzen") :]
        )


# One term for one thing: what stands left of a colon is said in place of these.
NOT_SAID = """
phân phối: phân bố
ảnh giả: ảnh sinh(?! có kích thước 28x28)
sụp đổ mode: đánh rơi
điểm mù: chỗ mù
mã nguồn của các tác giả: mã (nguồn )?công bố|đồng tác giả
seed: mầm
cấu hình huấn luyện: công thức (huấn luyện|thường)
bộ phân loại, loại: bộ phân lớp|mười lớp|tỉ lệ lớp|lớp ảnh
mức 2 log 2: mốc \\$?(2 ?)?\\\\?log
đối số: tham số của hàm
lõi: nhân CPU|mỗi nhân
lượt xuôi, lượt ngược: lượt (đi|về)\\b(?! ảnh)|tính xuôi
lần rút z: lượt (bốc|rút)|lần bốc|bốc z
chuẩn gradient: chuẩn của gradient
Ḡ: (?-i:\\bG trung bình)
nhoè: ảnh mờ|làm mờ|bị mờ
EMA: trung bình trượt \\(EMA
và cộng sự: \\bet al\\.
""".strip().splitlines()


def test_one_term_for_one_thing():
    texts = [README, (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")]
    for path in NOTEBOOKS:
        texts += [checks.text(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    for path in ROOT.glob("ganlib/**/*.py"):
        texts.append(re.sub(r"\bet al\.", "", path.read_text(encoding="utf-8")))  # in English docstrings
    for term, wrong in (line.split(": ", 1) for line in NOT_SAID):
        place = re.compile(rf".{{0,30}}(?:{wrong}).{{0,20}}", re.I)
        assert [found[0] for text in texts for found in place.finditer(text)] == [], f"{term} is the word"
