"""What every notebook of the series must fulfil, as functions that return lists of faults.

A notebook is a dict as `json.load` reads it. `tests/test_hygiene.py` runs every check on every notebook, and
shows on a broken notebook in memory that each of them can fail.
"""

import json
import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

from notebook_hash import notebook_hash

MAX_BYTES = 1_000_000
MAX_LINES = 30
OPENING = "Bạn sẽ học gì"
CLOSING = ("Tóm tắt", "Bài tập", "Đọc thêm")
MACHINE_PATH = re.compile(r"(?<![\w.])/(home|work|root|tmp|Users|mnt|opt|usr|var|private)/|\b[A-Z]:\\+\w")
MARKDOWN_LINK = re.compile(r"(!?)\[([^\]]*)\]\(\s*<?([^)\s>]+)>?[^)]*\)")
NO_PROSE = re.compile(r"^(```|~~~).*?^\1\s*$|`[^`\n]+`|\$\$.*?\$\$|\$[^$\n]+\$", re.M | re.S)


def text(source) -> str:
    """A notebook's multi-line string: one string, or a list of lines."""
    return source if isinstance(source, str) else "".join(source)


def cells(notebook: dict, kind: str) -> list[tuple[str, dict]]:
    """The cells of one kind, each with a name for messages."""
    named = [(f"cell {i} ({cell.get('id', '?')})", cell) for i, cell in enumerate(notebook["cells"])]
    return [(name, cell) for name, cell in named if cell["cell_type"] == kind]


def outputs(notebook: dict) -> list[tuple[str, dict]]:
    return [(name, output) for name, cell in cells(notebook, "code") for output in cell["outputs"]]


def markdown(notebook: dict) -> list[tuple[str, str]]:
    """The prose of the notebook without its code samples and formulas."""
    return [(name, NO_PROSE.sub("", text(cell["source"]))) for name, cell in cells(notebook, "markdown")]


class Images(HTMLParser):
    """The alt texts of the <img> tags that it is fed; None for one without."""

    def __init__(self, html: str):
        super().__init__()
        self.alts = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.alts.append(dict(attributes).get("alt"))


def check_counts(notebook: dict) -> list[str]:
    """Executed from top to bottom in one go: counts 1..n, no empty code cell."""
    counts = [cell["execution_count"] for _, cell in cells(notebook, "code")]
    faults = [] if counts == list(range(1, len(counts) + 1)) else [f"execution counts are {counts}, not 1..n"]
    for name, output in outputs(notebook):
        if "execution_count" in output and output["execution_count"] is None:
            faults.append(f"{name}: an output without its execution count")
    return faults + [
        f"{name}: empty" for name, cell in cells(notebook, "code") if not text(cell["source"]).strip()
    ]


def check_errors(notebook: dict) -> list[str]:
    return [f"{name}: {out['ename']}" for name, out in outputs(notebook) if out["output_type"] == "error"]


def check_stderr(notebook: dict) -> list[str]:
    """Warnings in the committed outputs frighten readers."""
    named = [(name, out) for name, out in outputs(notebook) if out.get("name") == "stderr"]
    return [f"{name}: stderr: {text(out['text'])[:80]!r}" for name, out in named]


def check_hash(notebook: dict) -> list[str]:
    kept = notebook["metadata"].get("ganlib", {}).get("hash")
    if kept == notebook_hash(notebook):
        return []
    return ["outputs older than the code (or never made): run python tests/refresh_notebooks.py"]


def check_alt(notebook: dict) -> list[str]:
    """Every picture has alt text: in Markdown, in HTML, in the metadata or the HTML of an image output."""
    faults = []
    for name, prose in markdown(notebook):
        for bang, alt, target in MARKDOWN_LINK.findall(prose):
            if bang and not alt.strip():
                faults.append(f"{name}: picture {target} without alt text")
        faults += [f"{name}: <img> without alt text" for alt in Images(prose).alts if not (alt or "").strip()]
    for name, output in outputs(notebook):
        data = output.get("data", {})
        alts = Images(text(data.get("text/html", ""))).alts
        faults += [f"{name}: <img> without alt text" for alt in alts if not (alt or "").strip()]
        for kind in data:
            given = output.get("metadata", {}).get(kind, {})
            given = (given.get("alt") or "").strip() if isinstance(given, dict) else ""
            if kind.startswith("image/") and not given and not any(alts):
                faults.append(f"{name}: {kind} without alt text (show it with ganlib.figures.show)")
    return faults


def check_links(notebook: dict, folder: Path) -> list[str]:
    """Linked files exist; pictures lie inside `folder`, which is all that JupyterLab serves."""
    faults = []
    for name, prose in markdown(notebook):
        for bang, _, target in MARKDOWN_LINK.findall(prose):
            target = target.split("#")[0]
            if not target or re.match(r"[a-z]+:", target):
                continue
            if not (folder / target).exists():
                faults.append(f"{name}: {target} does not exist")
            elif bang and not (folder / target).resolve().is_relative_to(folder.resolve()):
                faults.append(
                    f"{name}: picture {target} lies outside {folder.name}/: JupyterLab cannot show it"
                )
    return faults


def check_nfc(content: str) -> list[str]:
    """`content` is the text of a file; of a notebook it is what json.dumps makes without escapes."""
    lines = enumerate(content.splitlines(), 1)
    return [f"line {i} is not NFC: {s[:60]!r}" for i, s in lines if not unicodedata.is_normalized("NFC", s)]


def check_notebook_nfc(notebook: dict) -> list[str]:
    return check_nfc(json.dumps(notebook, ensure_ascii=False, indent=1))


def check_size(size: int) -> list[str]:
    return [] if size < MAX_BYTES else [f"{size} bytes, {MAX_BYTES} or more"]


def check_map(name: str, readme: str) -> list[str]:
    """`readme` is the README's text; its map links to notebooks/NAME."""
    return [] if f"(notebooks/{name})" in readme else [f"README.md has no link to notebooks/{name}"]


def check_sections(notebook: dict) -> list[str]:
    """Opens with what is learnt; closes with summary, exercises, further reading, in this order."""
    prose = [source for _, source in markdown(notebook)]
    faults = (
        [] if any(OPENING in source for source in prose[:3]) else [f"no {OPENING!r} in the first three texts"]
    )
    headings = re.findall(r"^#+\s+(.*?)\s*$", "\n".join(prose), re.M)
    # the last heading that begins with each title
    places = [max((i for i, h in enumerate(headings) if title in h), default=None) for title in CLOSING]
    faults += [f"no heading {title!r}" for title, i in zip(CLOSING, places, strict=True) if i is None]
    found = [i for i in places if i is not None]
    return faults if found == sorted(found) else faults + [f"closing sections out of order: {CLOSING}"]


def check_cell_length(notebook: dict) -> list[str]:
    lengths = [
        (name, len(text(cell["source"]).strip().splitlines())) for name, cell in cells(notebook, "code")
    ]
    return [f"{name}: {n} lines, over {MAX_LINES}" for name, n in lengths if n > MAX_LINES]


def check_paths(notebook: dict) -> list[str]:
    """No absolute path of the machine that executed the notebook in what it printed."""
    faults = []
    for name, output in outputs(notebook):
        printed = [output.get("text", ""), *output.get("traceback", [])]
        printed += [s for kind, s in output.get("data", {}).items() if not kind.startswith("image/")]
        for piece in printed:
            piece = text(piece) if isinstance(piece, (str, list)) else json.dumps(piece)
            piece = re.sub(r"data:image/[^\"']*", "", piece)
            if found := MACHINE_PATH.search(piece):
                faults.append(f"{name}: {piece[max(0, found.start() - 20) : found.end() + 40]!r}")
    return faults


def check_full_run(notebook: dict) -> list[str]:
    """Outputs are those of full data and full counts: ganlib prints these words if they are not."""
    faults = []
    for name, output in outputs(notebook):
        printed = text(output.get("text", "")) + text(output.get("data", {}).get("text/plain", ""))
        faults += [f"{name}: {sign!r} printed" for sign in ("Chạy rút gọn", "BỘ MẪU") if sign in printed]
    return faults


def check_widgets(notebook: dict) -> list[str]:
    """A saved widget shows as an error in JupyterLab, and its state only swells the file."""
    faults = ["widget state in the metadata"] if "widgets" in notebook["metadata"] else []
    for name, output in outputs(notebook):
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
            faults.append(f"{name}: a saved widget view")
    return faults


def check_notebook(notebook: dict, folder: Path) -> list[str]:
    """Every fault of one notebook, except those of its file (size, README's map)."""
    checks = (check_counts, check_errors, check_stderr, check_hash, check_alt, check_notebook_nfc)
    checks += (check_sections, check_cell_length, check_paths, check_full_run, check_widgets)
    return [fault for check in checks for fault in check(notebook)] + check_links(notebook, folder)
