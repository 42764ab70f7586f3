"""What each choice of the recipe brought: the rows of ganlib/assets/choices.json, trained and scored anew.

    python tests/bench/choices.py            # all rows not there yet: minutes each, the last four more
    python tests/bench/choices.py 3 4        # only rows 3 and 4

Every row: seed 0, 20 epochs (the last four rows: 100) on the first 50,000 training images; scored on the
last 10,000, which no row trains on (σ on the first 1,000 of them). The test images take no part: they only
judge the final runs. (The classifier that the scores ask has learnt from all 60,000.) Each row adds to the
one before it, so what a choice brought depends on the order.
"""

import json
import sys
from dataclasses import replace

from ganlib import data, scores
from ganlib.training import PLAIN, RESULTS, train

SPLIT = 50_000
FILE = data.ASSETS / "choices.json"
DIGITS = {"parzen": 1, "parzen_se": 1, "sigma": 3, "loss_D": 3}
DIGITS |= {"frechet": 2, "precision": 3, "recall": 3, "density": 3, "coverage": 3, "sure": 3, "kl": 4}
AVERAGED = PLAIN | {"average": 0.9997}
RATES = AVERAGED | {"lr_D": 1e-4, "lr_G": 4e-4}
DEEP = RATES | {"hidden_G": (512, 512, 512), "hidden_D": (512, 512, 512)}
ROWS = {
    "cấu hình thường thấy": ("mnist", PLAIN),
    "thêm trung bình trọng số của G": ("mnist", AVERAGED),
    "thêm hai tốc độ học khác nhau": ("mnist", RATES),
    "đổi sang ba lớp ẩn 512 ở mỗi mạng": ("mnist", DEEP),
    "D học nhanh gấp đôi: bản ghi": ("mnist", RESULTS["mnist"]),
    "Dropout 0.2": ("mnist", RESULTS["mnist"] | {"dropout": 0.2}),
    "FashionMNIST, như hàng 4": ("fashion", DEEP),
    "FashionMNIST, D học nhanh gấp đôi": ("fashion", DEEP | {"lr_D": 2e-4}),
    "FashionMNIST, D học nhanh gấp bốn": ("fashion", DEEP | {"lr_D": 4e-4}),
    "FashionMNIST, D học nhanh gấp tám: bản ghi": ("fashion", RESULTS["fashion"]),
    "FashionMNIST, như hàng 9, Dropout 0.2": ("fashion", DEEP | {"lr_D": 4e-4, "dropout": 0.2}),
    "MNIST, như hàng 5, 100 epoch": ("mnist", RESULTS["mnist"], 100),
    "MNIST, như hàng 12, tốc độ học giảm dần": ("mnist", RESULTS["mnist"], 100, True),
    "FashionMNIST, như hàng 10, 100 epoch": ("fashion", RESULTS["fashion"], 100),
    "FashionMNIST, như hàng 14, tốc độ học giảm dần": ("fashion", RESULTS["fashion"], 100, True),
}


def split(name):
    """(what a row trains on: data.Images, what scores it: uint8 (10_000, 28, 28)) of the training images."""
    images = data.load(name)
    if images.source == "sample":
        sys.exit("Cần bộ dữ liệu đầy đủ; ở đây chỉ có bộ mẫu.")
    first = replace(images, pixels=images.pixels[:SPLIT], labels=images.labels[:SPLIT])
    return first, images.pixels[SPLIT:]


def score(G, name, held_out, epoch):
    """The rounded scores of G against images that no row trained on; all but Parzen over ten draws of z."""
    found = scores.likelihood(scores.draw(G), held_out, held_out)
    found |= scores.over_draws(G, scores.against(held_out, scores.load_classifier(name)))
    found |= {"loss_D": epoch.loss_D}
    return {key: round(value, DIGITS[key.removesuffix("_sd")]) for key, value in found.items()}


def measure(name, settings, epochs=20, falling=False):
    """One row: its data set, its number of weights, its scores after the last epoch.

    falling: over the second half of the epochs both learning rates fall towards 0, in a straight line.
    """
    first, held_out = split(name)
    for epoch in train(first, epochs, **settings):
        print(" ", epoch, flush=True)
        if falling:
            set_rates(epoch.state, min(1, 2 * (1 - epoch.epoch / epochs)))
    networks, G = (epoch.state.G, epoch.state.D), epoch.state.sampler()
    weights = sum(p.numel() for network in networks for p in network.parameters())
    return {"data": name, "weights": weights} | score(G, name, held_out, epoch)


def set_rates(state, part):
    """Both learning rates of a run: so large a part of what they began with."""
    state.optimizer_D.param_groups[0]["lr"] = part * state.settings.lr_D
    state.optimizer_G.param_groups[0]["lr"] = part * state.settings.lr_G


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
