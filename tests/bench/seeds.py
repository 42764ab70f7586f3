"""The scores of those 100-epoch runs that are too large to ship: ganlib/assets/seeds.json (notebook 07).

    python -m ganlib train mnist --results --seed 1 --out mnist1.safetensors     # and so on: see ROWS
    python tests/bench/seeds.py mnist1.safetensors mnist2.safetensors plain.safetensors

A record goes to the row whose settings it has; the other rows stay. What is kept is what `python -m ganlib
score` computes, unrounded.
"""

import sys
from dataclasses import asdict

from choices import keep

from ganlib import data, record
from ganlib.scores import draw, score_all
from ganlib.training import PLAIN, RESULTS, Settings

FILE = data.ASSETS / "seeds.json"
ROWS = {  # the row's name: what was trained, on 60,000 images for 100 epochs
    "ở đây, seed 1": ("python -m ganlib train mnist --results --seed 1", RESULTS["mnist"] | {"seed": 1}),
    "ở đây, seed 2": ("python -m ganlib train mnist --results --seed 2", RESULTS["mnist"] | {"seed": 2}),
    "công thức thường thấy, seed 0": ("python -m ganlib train mnist --plain --seed 0", PLAIN),
}


def row_of(run):
    """The name of the row whose run this record is; SystemExit (Vietnamese) if it is none of them."""
    for name, (_, settings) in ROWS.items():
        same = all(run.settings[key] == value for key, value in asdict(Settings(**settings)).items())
        if same and (run.data, run.epochs, run.count) == ("mnist", 100, 60_000):
            return name
    sys.exit("Bản ghi này không thuộc hàng nào: cần 100 epoch trên 60,000 ảnh MNIST, tham số như trong ROWS.")


if __name__ == "__main__":
    for path in sys.argv[1:]:
        run = record.load(path)
        name = row_of(run)
        row = {"command": ROWS[name][0]} | score_all(draw(run.generator()), run.data)
        keep(FILE, ROWS, name, row)
        print(f"{name}: Parzen {row['parzen']:.1f}, Fréchet {row['frechet']:.2f}", flush=True)
