"""The eight case histories of notebook 09, trained anew: ganlib/assets/unseen.pt.xz. Some minutes.

    python tests/bench/unseen.py            # all
    python tests/bench/unseen.py A H        # only these; the others stay as they are

What is run are notebook 09's own functions, so a case looks like those that the class has seen; the seeds are
new, and nothing in the file names a disease: letter -> what `chart` of the notebook takes. The answers stand there.
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
SETUP = "digits", "recipe", "classifier"  # besides functions: the names that these read


def functions():
    """What notebook 09 defines, without its runs: name -> function, class, or one of SETUP."""
    cells, names = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"], {}
    for cell in cells:
        if cell["cell_type"] == "code":
            for node in ast.parse("".join(cell["source"])).body:
                targets = [
                    target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)
                ]
                if isinstance(node, KEPT) or set(targets) & set(SETUP):
                    exec(compile(ast.Module([node], []), NOTEBOOK.name, "exec"), names)
    return names


nb = functions()
run, recipe, start = nb["run"], nb["recipe"], nb["start"]


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


def history(letter):
    # The average remembers what was before: a collapse is seen in G itself.
    pictures, rows, numbers, every = nb["findings"](CASES[letter](), averaged=letter != "H")
    print(letter, nb["slip"](*numbers), flush=True)
    return {"pictures": data.to_pixels(pictures), "rows": rows, "numbers": numbers, "every": every}


if __name__ == "__main__":
    asked = sys.argv[1:] or list(CASES)
    cases = record.read(FILE) if FILE.exists() else {}
    for letter in asked:
        cases[letter] = history(letter)
        record.write(FILE, lzma.compress(record.packed(dict(sorted(cases.items())))))
