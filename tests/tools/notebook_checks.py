"""What every notebook of the series, a dict as `json.load` reads it, must fulfil: functions that return faults.

test_hygiene.py runs every check on every notebook; test_tools.py shows that each of them can fail.
"""

import json
import re
import unicodedata
from itertools import pairwise
from pathlib import Path

from notebook_seal import code_hash, seal
from notebook_seal import text as joined

MAX_BYTES, MAX_LINES = 1_000_000, 30
OPENING, CLOSING = "Bạn sẽ học gì", ("Tóm tắt", "Bài tập", "Đọc thêm")
CHECKED = "nbval-check-output"  # the tag of a cell whose output is the same in a reduced run
NEVER = re.compile(r"# ?NBVAL|TAI_KHOAN|TEN_KHO|⟦")  # marks of tools, placeholders
WIDGET = "application/vnd.jupyter.widget-view+json"
# What ganlib prints where counts are not the full ones; a path of somebody's machine.
UNTRUE = re.compile(r"Chạy rút gọn|(?<![\w.])/(home|work|root|tmp|Users|mnt|opt|usr|var|private)/|\b[A-Z]:\\+\w")
MARKDOWN_LINK = re.compile(r"(!?)\[([^\]]*)\]\(\s*<?([^)\s>]+)>?[^)]*\)")
NO_PLACE = ("", "đây", "ở đây", "tại đây", "này", "link", "here")  # texts of links that say nothing
SOLUTION = "<details><summary>Lời giải"
ONE_SOLUTION = re.compile(rf"{SOLUTION}(?!.*{SOLUTION}).*</details>\s*", re.S)
ALT = re.compile(r'\balt="\s*[^\s"]')
NO_PROSE = re.compile(r"^(```|~~~).*?^\1\s*$|`[^`\n]+`|\$\$.*?\$\$|\$[^$\n]+\$", re.M | re.S)


def text(source) -> str:
    """A notebook's multi-line string, or other data, as one string."""
    source = joined(source)
    return source if isinstance(source, str) else json.dumps(source)


def cells(notebook: dict, kind: str) -> list[tuple[str, dict, str]]:
    """The cells of one kind, each with a name for messages, and its source."""
    found = [cell for cell in notebook["cells"] if cell["cell_type"] == kind]
    return [(f"cell {cell.get('id', '?')}", cell, text(cell["source"])) for cell in found]


def outputs(notebook: dict) -> list[tuple[str, dict]]:
    return [(name, output) for name, cell, _ in cells(notebook, "code") for output in cell["outputs"]]


def printed(output: dict) -> str:
    """All that an output says in text, its pictures left out."""
    texts = [text for kind, text in output.get("data", {}).items() if not kind.startswith("image/")]
    texts += [output.get("text", ""), *output.get("traceback", [])]
    return re.sub(r"data:image/[^\"']*", "", "\n".join(map(text, texts)))


def prose(notebook: dict) -> list[tuple[str, str]]:
    """The Markdown of the notebook without its code samples and formulas."""
    return [(name, NO_PROSE.sub("", source)) for name, _, source in cells(notebook, "markdown")]


def images(html: str) -> list[bool]:
    """For each <img> tag in some HTML, scripts left out: whether it has an alt text."""
    html = re.sub(r"<script\b.*?</script>", "", html, flags=re.S)
    return [bool(ALT.search(tag)) for tag in re.findall(r"<img\b[^>]*>", html)]


def check_counts(notebook: dict) -> list[str]:
    """Executed from top to bottom in one go (an empty cell has no count)."""
    counts = [cell["execution_count"] for _, cell, _ in cells(notebook, "code")]
    return [] if counts == list(range(1, len(counts) + 1)) else [f"execution counts {counts}, not 1..n"]


def check_printed(notebook: dict) -> list[str]:
    """No error; no warning, which frightens readers; full counts; no path of the machine that executed it."""
    faults = []
    for name, output in outputs(notebook):
        said = printed(output)
        faults += [f"{name}: {found[0]!r} printed" for found in UNTRUE.finditer(said)]
        if output["output_type"] == "error" or output.get("name") == "stderr":
            faults.append(f"{name}: {output.get('ename', said[:80])!r}")
    return faults


def check_seal(notebook: dict) -> list[str]:
    """The outputs are those of this code, and nobody has changed them since."""
    kept, code = notebook["metadata"].get("ganlib", {}), code_hash(notebook)
    if kept.get("code") != code:
        return ["outputs older than the code: run python tests/tools/refresh_notebooks.py"]
    return [] if kept.get("seal") == seal(notebook, code) else ["outputs that the code has not made"]


def check_code(notebook: dict) -> list[str]:
    """No long cell; two at least assert what holds in a reduced run, too; no reader sees how that is marked."""
    code = [(name, cell["metadata"].get("tags", ()), source) for name, cell, source in cells(notebook, "code")]
    sure = [name for name, tags, source in code if CHECKED in tags or re.search(r"^ *assert ", source, re.M)]
    long = [name for name, _, source in code if len(source.strip().splitlines()) > MAX_LINES]
    faults = [f"{name}: over {MAX_LINES} lines" for name in long]
    return faults + [f"fewer than 2 cells that assert (tag {CHECKED})"] * (len(sure) < 2)


def check_never(notebook: dict) -> list[str]:
    found = [(cell.get("id", "?"), NEVER.search(text(cell["source"]))) for cell in notebook["cells"]]
    return [f"cell {name}: {word[0]}" for name, word in found if word]


def check_alt(notebook: dict) -> list[str]:
    """Every picture has alt text; one in an output is an image/png, which every kind of page can show."""
    faults = []
    for name, words in prose(notebook):
        alts = [alt.strip() for bang, alt, _ in MARKDOWN_LINK.findall(words) if bang] + images(words)
        faults += [f"{name}: picture without alt text"] * (not all(alts))
    for name, output in outputs(notebook):
        data, about = output.get("data", {}), output.get("metadata", {}).get("image/png", {})
        in_html = images(text(data.get("text/html", "")))
        pictures = [kind for kind in data if kind.startswith("image/")]
        if (pictures and not about.get("alt", "").strip()) or not all(in_html):
            faults.append(f"{name}: picture without alt text (show it with ganlib.figures.show)")
        if (pictures or in_html) and "image/png" not in data:
            faults.append(f"{name}: picture that is no image/png")
    return faults


def check_headings(notebook: dict) -> list[str]:
    """One title, no level left out below it: who listens goes by headings. The same sections at both ends."""
    words = "\n".join(words for _, words in prose(notebook))
    headings = re.findall(r"^(#+)\s+(.*?)\s*$", words, re.M)
    levels, titles = [len(marks) for marks, _ in headings], [title for _, title in headings]
    faults = [] if levels[:1] == [1] and levels.count(1) == 1 else ["not one title, at the top"]
    faults += [f"heading {b} under {a}" for a, b in pairwise(levels) if b > a + 1]
    opened = any(OPENING in words for _, words in prose(notebook)[:3])
    last = [max((i for i, title in enumerate(titles) if end in title), default=-1) for end in CLOSING]
    faults += [] if opened else [f"does not open with {OPENING!r}"]
    return faults + ([] if min(last) >= 0 and last == sorted(last) else [f"not closed by {CLOSING}"])


def check_solutions(notebook: dict) -> list[str]:
    """Each solution is a cell of its own, which the class edition leaves out (README has the command)."""
    found = [(name, source) for name, _, source in cells(notebook, "markdown") if SOLUTION in source]
    return [f"{name}: a solution among other text" for name, source in found if not ONE_SOLUTION.fullmatch(source)]


def check_links(notebook: dict, folder: Path) -> list[str]:
    """A link says where it leads, even if read alone; linked files exist, pictures inside `folder`."""
    faults = []
    for name, words in prose(notebook):
        for bang, label, target in MARKDOWN_LINK.findall(words):
            label, target = label.strip(" *_").lower(), target.split("#")[0]
            if not bang and (label in NO_PLACE or "://" in label):
                faults.append(f"{name}: link {label!r}")
            file, elsewhere = (folder / target).resolve(), not target or re.match(r"[a-z]+:", target)
            if not elsewhere and not (file.exists() and (not bang or file.is_relative_to(folder.resolve()))):
                faults.append(f"{name}: {target} does not exist, or is a picture outside {folder.name}/")
    return faults


def check_nfc(content: str) -> list[str]:
    lines = enumerate(content.splitlines(), 1)
    return [f"line {i} is not NFC: {s[:60]!r}" for i, s in lines if not unicodedata.is_normalized("NFC", s)]


def check_widgets(notebook: dict) -> list[str]:
    """A saved widget shows as an error in JupyterLab, and its state only swells the file."""
    saved = [f"{name}: a saved widget view" for name, output in outputs(notebook) if WIDGET in output.get("data", {})]
    return saved + ["widget state in the metadata"] * ("widgets" in notebook["metadata"])


def check_notebook(notebook: dict, folder: Path) -> list[str]:
    """Every fault of one notebook, in `folder`."""
    checks = check_counts, check_printed, check_seal, check_code, check_never, check_alt, check_headings
    faults = [fault for check in (*checks, check_solutions, check_widgets) for fault in check(notebook)]
    content = json.dumps(notebook, ensure_ascii=False, indent=1)
    faults += [f"{MAX_BYTES} bytes or more"] * (len(content.encode()) >= MAX_BYTES)
    return faults + check_links(notebook, folder) + check_nfc(content)
