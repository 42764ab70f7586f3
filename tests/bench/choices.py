"""What each choice of the recipe brought: the rows of ganlib/assets/choices.json, trained and scored anew.

    python tests/bench/choices.py            # all rows, a minute or two each; a row that is there is kept
    python tests/bench/choices.py 3 4        # only rows 3 and 4

Every row: seed 0, EPOCHS epochs on the first 50,000 training images; scored on the last 10,000, which no row
trains on (σ on the first 1,000 of them). The test images take no part: they only judge the final runs.
"""

import json
import sys
from dataclasses import replace

from ganlib import data, scores
from ganlib.training import PLAIN, train

EPOCHS, SPLIT = 20, 50_000
FILE = data.ASSETS / "choices.json"
DIGITS = {"parzen": 1, "parzen_se": 1, "sigma": 3, "frechet": 2, "sure": 3, "kl": 4, "loss_D": 3}
AVERAGED = PLAIN | {"average": 0.9997}
RATES = AVERAGED | {"lr_D": 1e-4, "lr_G": 4e-4}
TWO_LAYERS = RATES | {"hidden_G": (512, 512), "hidden_D": (512, 512)}
DEEP_G = TWO_LAYERS | {"hidden_G": (512, 512, 512)}
RECORDED = DEEP_G | {"hidden_D": (512, 512, 512)}
ROWS = {
    "công thức thường thấy": ("mnist", PLAIN),
    "thêm trung bình trọng số của G": ("mnist", AVERAGED),
    "thêm hai tốc độ học khác nhau": ("mnist", RATES),
    "đổi sang hai lớp ẩn 512": ("mnist", TWO_LAYERS),
    "thêm một lớp ẩn cho G": ("mnist", DEEP_G),
    "thêm một lớp ẩn cho D: bản ghi MNIST": ("mnist", RECORDED),
    "thử thêm: lớp ẩn rộng 608": ("mnist", RECORDED | {"hidden_G": (608,) * 3, "hidden_D": (608,) * 3}),
    "thử thêm: D học nhanh gấp đôi": ("mnist", RECORDED | {"lr_D": 2e-4}),
    "FashionMNIST, cùng công thức": ("fashion", RECORDED),
    "FashionMNIST, D học nhanh gấp đôi: bản ghi FashionMNIST": ("fashion", RECORDED | {"lr_D": 2e-4}),
}


def split(name):
    """(what a row trains on: data.Images, what scores it: uint8 (10_000, 28, 28)) of the training images."""
    images = data.load(name)
    if images.source == "sample":
        sys.exit("Cần bộ dữ liệu đầy đủ; ở đây chỉ có bộ mẫu.")
    first = replace(images, pixels=images.pixels[:SPLIT], labels=images.labels[:SPLIT])
    return first, images.pixels[SPLIT:]


def score(x, held_out, classifier, epoch):
    """The rounded scores of samples x (n, 28, 28) in [0, 1] against images that no row trained on."""
    likelihood = scores.parzen(x, held_out, held_out)
    found = {"parzen": likelihood.mean, "parzen_se": likelihood.standard_error, "sigma": likelihood.sigma}
    found |= scores.by_classifier(x, held_out, classifier) | {"loss_D": epoch.loss_D}
    return {key: round(found[key], digits) for key, digits in DIGITS.items()}


def measure(name, settings):
    """One row: its data set, its number of weights, its scores after the last epoch."""
    first, held_out = split(name)
    for epoch in train(first, EPOCHS, **settings):
        print(" ", epoch, flush=True)
    networks, x = (epoch.state.G, epoch.state.D), scores.draw(epoch.state.sampler())
    weights = sum(p.numel() for network in networks for p in network.parameters())
    return {"data": name, "weights": weights} | score(x, held_out, scores.load_classifier(name), epoch)


def kept(file):
    """The rows that the file holds."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def keep(file, rows, name, row):
    """Put the row into the file, its rows in the order of `rows`."""
    found = kept(file) | {name: row}
    found = {name: found[name] for name in rows if name in found}
    file.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for number in map(int, sys.argv[1:] or range(1, len(ROWS) + 1)):
        choice, row = list(ROWS.items())[number - 1]
        if choice not in kept(FILE):
            print(choice, flush=True)
            keep(FILE, ROWS, choice, measure(*row))
