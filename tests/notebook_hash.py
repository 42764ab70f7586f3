"""The hash that tells whether a notebook's outputs are older than its code.

It covers the syntax trees of the notebook's code cells and of the ganlib modules that they import,
directly or through one another. Comments, prose, docstrings and layout don't count. `ast.dump` differs
between Python versions, so the trees are written out here in a form that does not (see `write_out`).
"""

import ast
import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Fields that say how a thing was typed (u"", type comments) and not what it does.
IGNORED = {"kind", "type_comment", "type_ignores", "ctx"}
WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def is_docstring(node) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def write_out(node, docstrings: bool = True) -> str:
    """One node of a syntax tree as text that is the same under every Python version.

    Empty fields are left out, because newer versions add some (3.12: `type_params=[]`); neighbouring strings
    of an f-string are joined, because versions split them differently; strings are written in ASCII.
    With `docstrings` False the first string of a module counts too (a lone string in a cell is an output).
    """
    if isinstance(node, list):
        return "[" + ",".join(write_out(item) for item in node) + "]"
    if not isinstance(node, ast.AST):
        return ascii(node)
    fields = {name: value for name, value in ast.iter_fields(node) if name not in IGNORED}
    if isinstance(node, WITH_DOCSTRING) and docstrings and node.body and is_docstring(node.body[0]):
        fields["body"] = node.body[1:]
    if isinstance(node, ast.JoinedStr):
        fields["values"] = joined(node.values)
    parts = [
        f"{name}={write_out(value)}" for name, value in sorted(fields.items()) if value not in (None, [])
    ]
    if isinstance(node, ast.Constant):
        parts = [f"value={ascii(node.value)}"]  # None is a value here, not an empty field
    return f"{type(node).__name__}({','.join(parts)})"


def joined(values: list) -> list:
    """The pieces of an f-string with neighbouring strings made one and empty ones dropped."""
    pieces = []
    for value in values:
        if isinstance(value, ast.Constant) and pieces and isinstance(pieces[-1], ast.Constant):
            pieces[-1] = ast.Constant(pieces[-1].value + value.value)
        elif not (isinstance(value, ast.Constant) and value.value == ""):
            pieces.append(value)
    return pieces


def code_cells(notebook) -> list[str]:
    """The sources of the code cells of a notebook read as a dict (nbformat's node is one too)."""
    cells = [cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return ["".join(source) for source in cells]


def parse_cell(source: str) -> ast.Module | None:
    """The syntax tree of a cell, or None where it holds a magic (`%time`, `!pip`) and is no plain Python."""
    try:
        return ast.parse(source)
    except SyntaxError:
        return None


def cell_text(source: str) -> str:
    """What counts of one cell; empty for a cell of comments only."""
    tree = parse_cell(source)
    if tree is None:
        return ascii(source)
    if not tree.body:
        return ""
    silenced = ";" if source.rstrip().endswith(";") else ""  # a last `;` hides the cell's output
    return write_out(tree, docstrings=False) + silenced


def imported(tree: ast.AST, package: Path, inside: bool = False) -> set[Path]:
    """The files of `package` that the code in `tree` imports; `inside` says it is a module of the package."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level and not inside:
                continue
            base = ".".join(filter(None, (package.name if node.level else "", node.module)))
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    files = set()
    for name in names:
        first, *rest = name.split(".")
        if first == package.name:
            files.add(package / "__init__.py")
            if rest and (package / f"{rest[0]}.py").exists():
                files.add(package / f"{rest[0]}.py")
    return files


def modules(sources: list[str], package: Path) -> list[Path]:
    """The files of `package` that the cells import, directly or through one another, sorted by name."""
    trees = [tree for tree in map(parse_cell, sources) if tree is not None]
    waiting = set().union(*(imported(tree, package) for tree in trees))
    found = set()
    while waiting:
        path = waiting.pop()
        found.add(path)
        waiting |= imported(ast.parse(path.read_text(encoding="utf-8")), package, inside=True) - found
    return sorted(found)


def notebook_hash(notebook, package: Path = ROOT / "ganlib") -> str:
    """SHA-256, in hex, over everything that the notebook's outputs depend on in code."""
    sources = code_cells(notebook)
    digest = hashlib.sha256()
    for text in filter(None, map(cell_text, sources)):
        digest.update(f"cell {text}\n".encode())
    for path in modules(sources, package):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        digest.update(f"{path.name} {write_out(tree)}\n".encode())
    return digest.hexdigest()
