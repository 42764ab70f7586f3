"""The seal of a notebook: its outputs belong to its code, to what that imports of ganlib, and to each other.

The code: the cells and the files of ganlib that they import, directly or through one another, without docstrings,
comments and empty lines; the recordings that it names and the classifiers, where `record` or `scores` is among them.
The checks of exercises and the panels don't count: they change no number and have tests of their own.
"""

import ast
import hashlib
import json
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent.parent / "ganlib"
LEFT_OUT = {"exercises", "widgets"}
READ = {"record": "*.pt.xz", "scores": "*.pt"}  # module -> what it reads of assets/
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def text(source):
    """A notebook's multi-line string: one string, or a list of lines."""
    return "".join(source) if isinstance(source, list) else source


def bare(source):
    """The lines of a module without docstrings, lines of comments, empty lines."""
    lines = dict(enumerate(source.splitlines(), 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            for number in range(node.body[0].lineno, node.body[0].end_lineno + 1):
                del lines[number]
    return "\n".join(line for line in lines.values() if line.strip() and line.strip()[0] != "#")


def imported(source, package):
    """The files of the package that the source imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in getattr(node, "names", ()) if isinstance(alias, ast.alias)]
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{name}" for name in names)]
        for parts in (name.split(".") for name in names):
            inside = package.joinpath(*parts[1:])
            if parts[0] == package.name and not LEFT_OUT & set(parts):
                files = inside.with_suffix(".py"), inside / "__init__.py", package / "__init__.py"
                yield from (file for file in files if file.exists())


def code_hash(notebook, package=PACKAGE):
    """SHA-256, in hex, over everything that the outputs depend on."""
    cells = [text(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    waiting, files = set(imported("\n".join(cells), package)), set()
    while waiting:
        files.add(file := waiting.pop())
        waiting |= set(imported(file.read_text(encoding="utf-8"), package)) - files
    digest = hashlib.sha256("\n\n".join(cells).encode())
    for file in sorted(files):
        digest.update(bare(file.read_text(encoding="utf-8")).encode())
        for asset in sorted((package / "assets").glob(READ[file.stem])) if file.stem in READ else ():
            named = any(asset.name.split(".")[0] in cell for cell in cells)
            if named or file.stem != "record":
                digest.update(hashlib.sha256(asset.read_bytes()).digest())
    return digest.hexdigest()


def seal(notebook, code):
    """SHA-256, in hex, over the hash of the code and all outputs, pictures included."""

    def flat(value):
        lines = isinstance(value, list) and all(isinstance(line, str) for line in value)
        return "".join(value) if lines else value

    outputs = [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    plain = json.dumps(outputs, sort_keys=True)
    whole = json.loads(plain, object_hook=lambda d: {key: flat(value) for key, value in d.items()})
    return hashlib.sha256((code + json.dumps(whole, sort_keys=True)).encode()).hexdigest()
