"""Functions that run as they are, watched line by line; and the same functions with a line edited."""

import ast
import difflib
import inspect
import io
import linecache
import sys
import textwrap
import traceback
from contextlib import redirect_stderr


class Source:
    """The text of a function: its `lines`, numbered from 1. A statement over several counts as its first."""

    def __init__(self, function):
        self.code = inspect.unwrap(function).__code__
        lines, self.first = inspect.getsourcelines(self.code)
        self.lines = textwrap.dedent("".join(lines)).splitlines()
        tree = ast.parse("\n".join(self.lines)).body[0]
        text = tree.body[0] if ast.get_docstring(tree) is not None and len(tree.body) > 1 else None
        self.docstring = range(text.lineno, text.end_lineno + 1) if text else ()  # its lines
        self.spans = {}  # line -> first and last line of its statement, or of the head of a `for`, `with`, …
        for node in ast.walk(tree):
            if isinstance(node, ast.stmt):
                inner = getattr(node, "body", None)
                last = max(node.lineno, inner[0].lineno - 1) if inner else node.end_lineno
                self.spans |= dict.fromkeys(range(node.lineno, last + 1), (node.lineno, last))

    def span(self, line):
        """The first and the last line of the statement that this line is of."""
        return self.spans.get(line, (line, line))

    def text(self, line):
        """The statement, in one line, without its comments."""
        first, last = self.span(line)
        return " ".join(split(text)[0].strip() for text in self.lines[first - 1 : last])


def split(line):
    """A line's code, and the comment behind it ("" where there is none)."""
    code, mark, comment = line.partition("  # ")
    return code, mark.strip() + " " + comment if mark else ""


def watch(call, sources, look):
    """Run call() and return what it returns, with a look at every line that the functions of `sources` run.

    sources: name -> Source. After each line: look(name, line, variables, ended), where ended is () or, if the
    function returned or yielded there, (value,); as a function begins or goes on: the same with line 0. What
    is raised passes through. A debugger's or coverage's tracer rests meanwhile, and is put back.
    """
    known = {source.code: (name, source) for name, source in sources.items()}
    doing, failing = {}, set()  # frame -> the line being done; frames that an exception passes through

    def local(frame, event, value):
        name, source = known[frame.f_code]
        if event == "exception":
            failing.add(frame)
            return local
        if event == "line":
            failing.discard(frame)  # it was caught
        line, now = doing.get(frame, 0), source.span(frame.f_lineno - source.first + 1)[0]
        if event == "call":  # a generator that goes on comes here too
            look(name, 0, frame.f_locals, ())
            now = 0
        elif line and line != now or event == "return" and frame not in failing:
            look(name, line, frame.f_locals, (value,) if event == "return" else ())
        doing[frame] = now
        return local

    previous = sys.gettrace()
    trace(lambda frame, event, value: local(frame, event, value) if frame.f_code in known else None)
    try:
        return call()
    finally:
        trace(previous)


def trace(tracer):
    """sys.settrace, without what JupyterLab's debugger writes about any other tracer."""
    with redirect_stderr(io.StringIO()):
        sys.settrace(tracer)


def place(error, sources):
    """Where the exception left a function of `sources`, the innermost: (name, line, variables); or None."""
    names, found = {source.code: name for name, source in sources.items()}, None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if name := names.get(frame.f_code):
            found = name, sources[name].span(number - sources[name].first + 1)[0], frame.f_locals
    return found


def edited(function, *edits, **names):
    """`function` with each (old, new) of its source replaced; with new None the line of old is left out.

    It runs with its own globals, and `names` beside them; its source can be shown. The comment of an edited
    line goes: it speaks of the old one. Raises ValueError unless each old stands in just one line.
    """
    text = textwrap.dedent(inspect.getsource(function))
    for old, new in edits:
        lines = [line for line in text.splitlines(True) if old in split(line)[0]]
        if len(lines) != 1 or inspect.unwrap(function).__closure__:
            raise ValueError(f"{old!r} must stand in just one line of {function.__name__}, a plain function")
        line = "" if new is None else split(lines[0].rstrip())[0].replace(old, new) + "\n"
        text = text.replace(lines[0], line)
    file = f"<{function.__name__} {hash(text):x}>"
    linecache.cache[file] = len(text), None, text.splitlines(True), file
    space = names | function.__globals__
    exec(compile(text, file, "exec"), space)
    return space[function.__name__]


def listing(source, original):
    """The lines of a Source, without its docstring, and those of the `original` that an edit took away.

    Yields (kind, line, text): kind "old" (line is None), "new", or "" for a line of both.
    """
    old, new = original.lines, source.lines
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        yield from (("old", None, text) for text in old[a:b] if kind != "equal")
        for line in range(c + 1, d + 1):
            if line not in source.docstring:
                yield "new" if kind != "equal" else "", line, new[line - 1]
