"""What each choice of the recipe brought: the rows of ganlib/assets/choices.json, trained and scored anew.

    python tests/bench_choices.py            # all rows, a minute or two each; a row that is there is kept
    python tests/bench_choices.py 3 4        # only rows 3 and 4

Every row: seed 0, EPOCHS epochs on the first 50,000 training images; scored on the last 10,000, which no row
trains on (σ on the first 1,000 of them). The test images take no part: they only judge the final runs.
"""

import json
import sys
from dataclasses import replace

import torch

from ganlib import data, scores
from ganlib.__main__ import draw
from ganlib.algorithm import PLAIN, train

EPOCHS, SPLIT = 20, 50_000
FILE = data.ASSETS / "choices.json"
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


def measure(name, settings):
    """One row's scores after its last epoch."""
    images = data.load(name)
    first = replace(images, pixels=images.pixels[:SPLIT], labels=images.labels[:SPLIT])
    held_out, classifier = images.pixels[SPLIT:], scores.load_classifier(name)
    for epoch in train(first, EPOCHS, **settings):
        print(" ", epoch, flush=True)
    networks, x = (epoch.state.G, epoch.state.D), draw(epoch.state.sampler())
    weights = sum(p.numel() for network in networks for p in network.parameters())
    return {"data": name, "weights": weights} | score(x, held_out, classifier, epoch)


def score(x, held_out, classifier, epoch):
    """The rounded scores of samples x (n, 28, 28) in [0, 1] against images that no row trained on."""
    likelihood = scores.parzen(x, held_out, held_out)
    shares, real = scores.class_shares(x, classifier), scores.class_shares(held_out, classifier)
    return {
        "parzen": round(likelihood.mean, 1),
        "parzen_se": round(likelihood.standard_error, 1),
        "sigma": round(likelihood.sigma, 3),
        "frechet": round(scores.frechet(x, held_out, classifier), 2),
        "sure": round(scores.sure_share(x, classifier), 3),
        "kl": round(scores.kl(shares, real), 4),
        "loss_D": round(epoch.loss_D, 3),
    }


def main():
    if any(data.load(name).source == "sample" for name in data.NAMES):
        sys.exit("Cần hai bộ dữ liệu đầy đủ; ở đây chỉ có bộ mẫu.")
    numbers = [int(word) for word in sys.argv[1:]] or range(1, len(ROWS) + 1)
    for number in numbers:
        choice, (name, settings) = list(ROWS.items())[number - 1]
        kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
        if choice in kept:
            continue
        print(choice, flush=True)
        row = measure(name, settings)
        kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
        kept[choice] = row
        kept = {choice: kept[choice] for choice in ROWS if choice in kept}  # in their order
        FILE.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
