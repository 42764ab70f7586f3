"""What each difference from the authors' released code does to the scores: ganlib/assets/paper.json.

    python tests/bench/paper.py            # all rows, some minutes each; a row that is there is kept
    python tests/bench/paper.py 3 4        # only rows 3 and 4

Every row: three seeds, EPOCHS epochs on the first 50,000 digits, the default settings but for what the row
names; scored on the last 10,000, which no row trains on (σ on the first 1,000 of them): a list over the seeds
for each score. All changes at once diverge in the first epoch. No row has the rest of the released code
(github.com/goodfeli/adversarial): its small first weights (±.05 in G, ±.005 in D), its learning rate that is
divided by 1.000004 at each step, its bias of G's last layer from the training pixels' means, its images in
[0, 1].
"""

import math
import sys

import torch
from choices import keep, kept, score, split
from torch import nn

from ganlib import algorithm, data, networks
from ganlib.training import start, train

EPOCHS, SEEDS, ROOM = 10, (0, 1, 2), math.sqrt(3)
FILE = data.ASSETS / "paper.json"
SGD = {"lr_D": 0.1, "lr_G": 0.1, "sgd": True}


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


class Evenly(networks.Generator):
    """G that turns each Gaussian number it is given into one that is uniform on (−√3, √3)."""

    def forward(self, z):
        return super().forward(ROOM * torch.erf(z / math.sqrt(2)))


def maxout():
    """D with two hidden layers of maxout and more Dropout, as in the released code."""
    D = networks.Discriminator()
    hidden = nn.Dropout(0.2), Maxout(784), nn.Dropout(0.5), Maxout(240), nn.Dropout(0.5)
    D.layers = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(240, 1), nn.Flatten(0))
    return D


def at_once():
    """update_D, update_G that move together: both gradients of one fake batch, before either step."""
    waiting = []

    def update_D(D, G, x, z, optimizer_D):
        fake_logit = D(G(z))
        loss_D, loss_G = algorithm.loss_D(D(x), fake_logit), algorithm.loss_G(fake_logit)
        of_G = torch.autograd.grad(loss_G, list(G.parameters()), retain_graph=True)
        of_D = torch.autograd.grad(loss_D, list(D.parameters()))
        step(optimizer_D, D, of_D)
        waiting.append((loss_G.detach(), of_G))
        return loss_D.detach()

    def update_G(D, G, z, optimizer_G):  # z: not needed
        loss_G, of_G = waiting.pop()
        step(optimizer_G, G, of_G)
        return loss_G

    return {"update_D": update_D, "update_G": update_G}


def step(optimizer, network, gradients):
    for p, gradient in zip(network.parameters(), gradients, strict=True):
        p.grad = gradient
    optimizer.step()


ROWS = {  # what is changed: settings, and the keys of `measure`
    "loạt bài này (mặc định)": {},
    "SGD 0.1, quán tính 0.5": SGD,
    "SGD như trên, loss của D nhân 0.5": SGD | {"lr_D": 0.05},  # the same thing, with SGD
    "cập nhật đồng thời": {"updates": at_once},
    "loss bão hoà (eqn4)": {"loss": "minimax"},
    "nhiễu đều trên (-√3, √3)": {"G": Evenly},
    "ReLU và sigmoid trong G": {"G": relu_sigmoid},
    "D maxout (to hơn, Dropout khác)": {"D": maxout},
    "không lấy trung bình": {"average": 0.0},
}


def measure(seed, sgd=False, updates=dict, G=None, D=None, **settings):
    """One row's scores with one seed, after its last epoch."""
    torch.manual_seed(seed)
    made = {name: make() for name, make in (("G", G), ("D", D)) if make}
    state = start("cpu", seed=seed, **made, **settings)
    if sgd:
        for name in "DG":
            parameters, lr = getattr(state, name).parameters(), settings[f"lr_{name}"]
            setattr(state, f"optimizer_{name}", torch.optim.SGD(parameters, lr=lr, momentum=0.5))
    first, held_out = split("mnist")
    for epoch in train(first, EPOCHS, state=state, **updates()):
        print(" ", epoch, flush=True)
    return score(state.sampler(), "mnist", held_out, epoch)


if __name__ == "__main__":
    for number in map(int, sys.argv[1:] or range(1, len(ROWS) + 1)):
        choice, change = list(ROWS.items())[number - 1]
        if choice not in kept(FILE):
            print(choice, flush=True)
            rows = [measure(seed, **change) for seed in SEEDS]
            keep(FILE, ROWS, choice, {key: [row[key] for row in rows] for key in rows[0]})
