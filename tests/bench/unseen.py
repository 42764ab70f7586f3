"""The eight case histories of notebook 09, trained anew: ganlib/assets/unseen.pt.xz. Some minutes.

    python tests/bench/unseen.py            # all
    python tests/bench/unseen.py A H        # only these; the others stay as they are

Notebook 09's own functions run, so a case looks like those that the class has seen. Nothing in the file names a
disease: letter -> what `chart` of the notebook takes.
"""

import ast
import json
import lzma
import sys
from pathlib import Path

import torch

from ganlib import data, record

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "09_huan_luyen_that_bai.ipynb"
FILE = data.ASSETS / "unseen.pt.xz"
KEPT = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef
SETUP = {"digits", "recipe", "classifier"}  # besides functions: the names that these read

nb = {}  # what notebook 09 defines, without its runs
for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
    for node in ast.parse("".join(cell["source"])).body if cell["cell_type"] == "code" else ():
        targets = {target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)}
        if isinstance(node, KEPT) or targets & SETUP:
            exec(compile(ast.Module([node], []), NOTEBOOK.name, "exec"), nb)
run, recipe = nb["run"], nb["recipe"]


def no_step_of_G(D, G, z, optimizer_G):
    optimizer_G.zero_grad()
    loss = nb["loss_G"](D(G(z)))
    loss.backward()
    return loss.detach()


def collapse():
    state, before = run(500, seed=19)
    return state, torch.cat([before, run(50, half_D=nb["asleep"], state=state)[1]])


CASES = {
    "A": lambda: run(200, half_D=nb["swapped_labels"], seed=11),
    "B": lambda: run(600, loss="minimax", seed=12),
    "C": lambda: run(200, half_G=no_step_of_G, seed=13),
    "D": lambda: run(600, seed=14),
    "E": lambda: run(400, images=nb["Unnormalised"](), seed=15),
    "F": lambda: run(300, lr_D=recipe.lr_D / 30, lr_G=2.5 * recipe.lr_G, seed=16),
    "G": lambda: run(400, lr_D=1e-3, lr_G=1e-3, betas=(0.9, 0.999), seed=17),
    "H": collapse,
}


if __name__ == "__main__":
    cases = record.read(FILE) if FILE.exists() else {}
    for letter in sys.argv[1:] or CASES:
        # The average remembers what was before: a collapse is seen in G itself.
        pictures, rows, numbers, every = nb["findings"](CASES[letter](), averaged=letter != "H")
        print(letter, nb["slip"](*numbers), flush=True)
        shown = {"pictures": data.to_pixels(pictures), "rows": rows}
        cases[letter] = shown | {"numbers": numbers, "every": every}
        record.write(FILE, lzma.compress(record.packed(dict(sorted(cases.items())))))
