"""The scores of those 100-epoch runs that are too large to ship: ganlib/assets/seeds.json (notebook 07).

    python -m ganlib train mnist --results --seed 1 --out mnist1.safetensors     # and so on: see ROWS
    python tests/bench_seeds.py mnist1.safetensors mnist2.safetensors plain.safetensors

A record goes to the row whose settings it has; the other rows stay. What is kept is what `python -m ganlib
score` computes, unrounded.
"""

import json
import sys
from dataclasses import asdict

from ganlib import data
from ganlib.__main__ import draw
from ganlib.algorithm import PLAIN, RESULTS, Settings
from ganlib.record import Record
from ganlib.scores import score_all

FILE = data.ASSETS / "seeds.json"
ROWS = {  # the row's name: what was trained, on 60,000 images for 100 epochs
    "ở đây, seed 1": ("python -m ganlib train mnist --results --seed 1", RESULTS["mnist"] | {"seed": 1}),
    "ở đây, seed 2": ("python -m ganlib train mnist --results --seed 2", RESULTS["mnist"] | {"seed": 2}),
    "công thức thường thấy, seed 0": ("python -m ganlib train mnist --plain --seed 0", PLAIN),
}


def row_of(record):
    """The name of the row whose run the record is; SystemExit (Vietnamese) if it is none of them."""
    for name, (_, settings) in ROWS.items():
        same = record.settings == asdict(Settings(**settings))
        if same and (record.data, record.epochs, record.count) == ("mnist", 100, 60_000):
            return name
    sys.exit("Bản ghi này không thuộc hàng nào: cần 100 epoch trên 60,000 ảnh MNIST, tham số như trong ROWS.")


def main():
    for path in sys.argv[1:]:
        record = Record.load(path)
        name = row_of(record)
        kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
        kept[name] = {"command": ROWS[name][0]} | score_all(draw(record.generator()), record.data)
        kept = {name: kept[name] for name in ROWS if name in kept}  # in their order
        FILE.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: Parzen {kept[name]['parzen']:.1f}, Fréchet {kept[name]['frechet']:.2f}", flush=True)


if __name__ == "__main__":
    main()
