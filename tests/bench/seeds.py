"""Scores of the 100-epoch runs that are too large to ship: ganlib/assets/seeds.json (notebooks 05, 07, 08).

    python -m ganlib train mnist --results --seed 1 --out mnist1.safetensors
    python tests/bench/seeds.py mnist1.safetensors mnist2.safetensors plain.safetensors

A record goes to the row whose settings it has; the other rows stay. What is kept is what `python -m ganlib
score` computes, unrounded; of MNIST's run without Dropout also how each tenth epoch did, and the shares of
the ten classes (notebook 05).
"""

import sys
from dataclasses import asdict

from choices import keep

from ganlib import data, record
from ganlib.scores import class_shares, draw, load_classifier, score_all
from ganlib.training import PLAIN, RESULTS, Settings

FILE = data.ASSETS / "seeds.json"
SLOWER = RESULTS["fashion"] | {"lr_D": 4e-4}
ROWS = {  # the row's name: the data, and what was trained, on 60,000 images for 100 epochs
    f"{data.TITLES[name]}, seed {seed}": (name, RESULTS[name] | {"seed": seed})
    for name in data.NAMES
    for seed in (1, 2)
}
ROWS |= {
    "MNIST, Dropout 0.2": ("mnist", RESULTS["mnist"] | {"dropout": 0.2}),
    "MNIST, lr_D 0.0001": ("mnist", RESULTS["mnist"] | {"lr_D": 1e-4}),
    "MNIST, không Dropout": ("mnist", RESULTS["mnist"] | {"dropout": 0.0}),
    "MNIST, cấu hình thường thấy": ("mnist", PLAIN),
    "FashionMNIST, lr_D 0.0004, Dropout 0.2": ("fashion", SLOWER | {"dropout": 0.2}),
    "FashionMNIST, lr_D 0.0004, không Dropout": ("fashion", SLOWER | {"dropout": 0.0}),
    "FashionMNIST, lr_D 0.0002": ("fashion", RESULTS["fashion"] | {"lr_D": 2e-4}),
}


def row_of(run):
    """The name of the row whose run this record is; SystemExit (Vietnamese) if it is none of them."""
    for name, (of, settings) in ROWS.items():
        same = all(run.settings[key] == value for key, value in asdict(Settings(**settings)).items())
        if same and (run.data, run.epochs, run.count) == (of, 100, 60_000):
            return name
    sys.exit("Bản ghi này không thuộc hàng nào: cần 100 epoch trên 60,000 ảnh, siêu tham số như trong ROWS.")


if __name__ == "__main__":
    for path in sys.argv[1:]:
        run = record.load(path)
        name = row_of(run)
        row = {"data": run.data} | score_all(run.generator(), run.data)
        if name == "MNIST, không Dropout":
            kept = ("frechet", "kl", "D_train", "D_test")
            row["tenth"] = {key: run.scores[key][9::10].tolist() for key in kept}
            row["shares"] = class_shares(draw(run.generator()), load_classifier(run.data)).tolist()
        keep(FILE, ROWS, name, row)
        print(f"{name}: Parzen {row['parzen']:.1f}, Fréchet {row['frechet']:.2f}", flush=True)
