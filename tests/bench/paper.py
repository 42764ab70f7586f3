"""What each difference from the authors' released code does to the scores: ganlib/assets/paper.json.

    python tests/bench/paper.py            # all rows that are not there yet, a minute or two each
    python tests/bench/paper.py 3 4        # rows 3 and 4 anew, next to what is kept

Every row: EPOCHS epochs in fp32 on the first 50,000 digits, the default settings but for what the row names;
scored on the last 10,000, which no row trains on (σ on the first 1,000 of them). All changes at once diverge
in the first epoch: the released code (github.com/goodfeli/adversarial) also bounds the weights of D and keeps
the images in [0, 1]. Neither is here, nor its falling learning rate, nor its shared batch of fakes.
"""

import math
import sys

import torch
from choices import keep, kept, score, split
from torch import nn

from ganlib import data, networks, scores
from ganlib.training import start, train

EPOCHS, SAMPLES, ROOM = 10, 10_000, math.sqrt(3)
FILE = data.ASSETS / "paper.json"
SGD = {"lr_D": 0.1, "lr_G": 0.1}


class Maxout(nn.Module):
    """The largest of five linear maps for each of `wide` units: (m, n) -> (m, wide)."""

    def __init__(self, n, wide=240, pieces=5):
        super().__init__()
        self.pieces, self.linear = pieces, nn.Linear(n, wide * pieces)

    def forward(self, x):
        return self.linear(x).unflatten(1, (-1, self.pieces)).amax(2)


class Scaled(nn.Module):
    """From [0, 1], where a sigmoid ends, to the [-1, 1] that D takes."""

    def forward(self, x):
        return 2 * x - 1


def relu_sigmoid():
    """G with ReLU between its layers and, in place of Tanh, a sigmoid scaled to [-1, 1]."""
    G = networks.Generator()
    image = nn.Sigmoid(), Scaled(), nn.Unflatten(1, networks.IMAGE_SHAPE)
    G.layers = nn.Sequential(*(nn.ReLU() if type(a) is nn.LeakyReLU else a for a in G.layers[:-2]), *image)
    return G


def maxout():
    """D with two hidden layers of maxout and more Dropout, as in the released code."""
    D = networks.Discriminator()
    hidden = nn.Dropout(0.2), Maxout(784), nn.Dropout(0.5), Maxout(240), nn.Dropout(0.5)
    D.layers = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(240, 1), nn.Flatten(0))
    return D


ROWS = {  # what is changed: settings, and the keys of `measure`
    "loạt bài này (mặc định)": {},
    "loạt bài này, seed 1": {"seed": 1},
    "loạt bài này, seed 2": {"seed": 2},
    "SGD (0.1, quán tính 0.5) thay Adam": SGD | {"sgd": True},
    "loss bão hoà (eqn4)": {"loss": "minimax"},
    "nhiễu đều trên (-√3, √3)": {"uniform_noise": True},
    "ReLU và sigmoid trong G": {"G": relu_sigmoid},
    "maxout trong D": {"D": maxout},
    "không lấy trung bình": {"average": 0.0},
}


def uniform(m=None, generator=None):
    return (2 * torch.rand(m or 100, networks.LATENT_DIM, generator=generator) - 1) * ROOM


def measure(sgd=False, uniform_noise=False, G=None, D=None, **settings):
    """One row's scores after its last epoch."""
    torch.manual_seed(settings.get("seed", 0))
    made = {name: make() for name, make in (("G", G), ("D", D)) if make}
    state = start("cpu", "fp32", **made, **settings)
    if sgd:
        for name in "DG":
            parameters = getattr(state, name).parameters()
            setattr(state, f"optimizer_{name}", torch.optim.SGD(parameters, lr=0.1, momentum=0.5))
    if uniform_noise:
        state.noise = uniform
    first, held_out = split("mnist")
    for epoch in train(first, EPOCHS, state=state):
        print(" ", epoch, flush=True)
    random = torch.Generator().manual_seed(1)
    z = uniform(SAMPLES, random) if uniform_noise else torch.randn(SAMPLES, 100, generator=random)
    with torch.no_grad():
        x = (state.sampler()(z) + 1) / 2
    return score(x, held_out, scores.load_classifier("mnist"), epoch)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    for number in numbers or range(1, len(ROWS) + 1):
        choice, change = list(ROWS.items())[number - 1]
        if choice in kept(FILE) and not numbers:
            continue
        print(choice, flush=True)
        row = measure(**change)
        print("  now: ", row)
        if choice in kept(FILE):
            print("  kept:", kept(FILE)[choice])
        else:
            keep(FILE, ROWS, choice, row)
