"""The hash that tells whether a notebook's outputs are older than the code that computed them.

It covers the notebook's code cells and, inside ganlib, the top-level definitions (functions, classes,
constants) that the cells reach by name, directly or through one another. Comments and layout don't count.
In ganlib neither do docstrings, words (a text with a space or a letter beyond ASCII; any other is a name),
what is raised, the guards (check.py and its calls), the panels, and the checks of the exercises.
`ast.dump` differs between Python versions, so the trees are written out here in a form that does not.
"""

import ast
import hashlib
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent.parent / "ganlib"
LEFT_OUT = ("check", "exercises", "widgets")
IGNORED = {"kind", "type_comment", "type_ignores", "ctx"}  # how a thing was typed, not what it does
DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Joined(ast.NodeTransformer):
    """A tree in which neighbouring strings of an f-string are one: Python versions split them differently."""

    def visit_JoinedStr(self, node):
        pieces = []
        for piece in node.values:
            if isinstance(piece, ast.Constant) and pieces and isinstance(pieces[-1], ast.Constant):
                piece = ast.Constant(pieces.pop().value + piece.value)
            pieces.append(piece)
        pieces = [self.visit(piece) for piece in pieces]
        return ast.JoinedStr([p for p in pieces if not (isinstance(p, ast.Constant) and p.value == "")])


class WhatComputes(Joined):
    """Further without docstrings, words, what is raised, and the calls of guards."""

    def visit_Constant(self, node):
        words = isinstance(node.value, str) and (" " in node.value or not node.value.isascii())
        return ast.Constant("") if words else node

    def visit_Raise(self, node):
        return None

    def visit_Call(self, node):
        guard = dotted(node.func).startswith("check.")
        return ast.Constant(None) if guard else self.generic_visit(node)

    def visit_Expr(self, node):
        node = self.generic_visit(node)
        return None if isinstance(node.value, ast.Constant) else node


def dotted(node) -> str:
    """The text of an expression like scores.parzen; "" of any that is not names and dots alone."""
    if isinstance(node, ast.Name):
        return node.id
    before = dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return before and f"{before}.{node.attr}"


def write_out(node) -> str:
    """A tree as text, the same under every Python: ASCII, without empty fields (newer versions add some)."""
    if isinstance(node, list):
        return "[" + ",".join(map(write_out, node)) + "]"
    if not isinstance(node, ast.AST):
        return ascii(node)
    if isinstance(node, ast.Constant):
        return f"Constant({ascii(node.value)})"  # None is a value here, not an empty field
    fields = [(n, v) for n, v in ast.iter_fields(node) if n not in IGNORED and v not in (None, [])]
    return f"{type(node).__name__}({','.join(f'{name}={write_out(v)}' for name, v in sorted(fields))})"


def imports(tree, package: str = "") -> dict[str, str]:
    """What the names imported in a module of `package` stand for, e.g. {"load": "ganlib.data.load"}."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.asname: a.name for a in node.names if a.asname}  # else the name stands for itself
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            found |= {a.asname or a.name: f"{base}.{a.name}" for a in node.names}
    return found


def mentions(node, meaning: dict[str, str]) -> set[str]:
    """The dotted names in some code, each with its first part replaced by what it stands for."""
    if name := dotted(node):
        first, dot, rest = name.partition(".")
        return {meaning.get(first, first) + dot + rest}
    return set().union(*(mentions(child, meaning) for child in ast.iter_child_nodes(node)))


def binds(statement) -> set[str]:
    """The names that a statement defines; {""} where it defines none, but does something when imported."""
    if isinstance(statement, DEFINITION):
        return {statement.name}
    nodes = list(ast.walk(statement))
    stored = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return stored | {n.name for n in nodes if isinstance(n, DEFINITION)} or {""}


@cache  # by the text of the file: many notebooks are hashed one after another
def definitions(module: str, package: str, source: str) -> dict[str, tuple[list[str], set[str]]]:
    """Every definition of a module by its full name ("ganlib.data.load"): its text, and what it mentions.

    The module itself ("ganlib.data", handed on as a whole) mentions all of its definitions.
    """
    tree = WhatComputes().visit(ast.parse(source))
    imported = imports(tree, package)
    statements = [s for s in tree.body if not isinstance(s, ast.Import | ast.ImportFrom)]
    defined = [(name, statement) for statement in statements for name in binds(statement)]
    meaning = imported | {name: f"{module}.{name}" for name, _ in defined}
    found = {f"{module}.{name}": ([], {full}) for name, full in imported.items()}
    found |= {module: ([], {meaning[name] for name, _ in defined}), f"{module}.": ([], set())}
    for name, statement in defined:
        texts, mentioned = found.setdefault(f"{module}.{name}", ([], {f"{module}."}))
        texts.append(write_out(statement))
        mentioned |= mentions(statement, meaning)
    return found


def reached(names: set[str], folder: Path) -> list[str]:
    """The texts of the definitions in a package that these dotted names lead to, each once, sorted."""
    found, waiting, done, texts = {}, list(names), set(), set()
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        if parts[1] not in LEFT_OUT:
            package = ".".join(parts[:-1])
            module = package if parts[-1] == "__init__" else ".".join(parts)
            found |= definitions(module, package, path.read_text(encoding="utf-8"))
    while waiting:
        name = waiting.pop()
        while name not in found and "." in name:  # ganlib.data.load.cache_clear -> ganlib.data.load
            name = name.rpartition(".")[0]
        if name in found and name not in done:
            done.add(name)
            texts.update(found[name][0])
            waiting += found[name][1]
    return sorted(texts)


def notebook_hash(notebook: dict, package: Path = PACKAGE) -> str:
    """SHA-256, in hex, over everything that the notebook's outputs depend on in code."""
    sources = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    trees = [Joined().visit(ast.parse(source)) for source in sources]
    whole = ast.Module([statement for tree in trees for statement in tree.body], [])
    texts = reached(mentions(whole, imports(whole)), package)
    for source, tree in zip(sources, trees, strict=True):
        if tree.body:  # a last ; hides the cell's output
            texts.append(write_out(tree) + ";" * source.rstrip().endswith(";"))
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
