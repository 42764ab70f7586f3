"""How fast the default is: milliseconds an iteration of mini-batches of 100, as one line of JSON.

    python tests/bench/training.py            # some minutes; nothing else should run beside it

The textbook loop (DataLoader, a transform an image, `.item()`), Algorithm 1 as the notebooks write it (plain),
`train` as it chooses (default): one process, in turn, medians.
"""

import json  # noqa: I001, ganlib comes before torch, whose threads it sets
import statistics
from itertools import islice
from time import perf_counter

from ganlib import data
from ganlib.networks import Discriminator, Generator
from ganlib.training import PLAIN, Settings, start, steps

import torch
from torch import nn
from torch.utils.data import DataLoader


def textbook():
    """The loop as lessons print it: a transform an image, whole graphs, `.item()` each step. Endless."""
    s, bce, losses = Settings(**PLAIN), nn.BCEWithLogitsLoss(), []
    loader = DataLoader(data.dataset("mnist"), batch_size=s.m, shuffle=True, drop_last=True)
    G, D = Generator(s.latent_dim, s.hidden_G), Discriminator(s.hidden_D, s.dropout)
    adam_G = torch.optim.Adam(G.parameters(), lr=s.lr_G, betas=s.betas)
    adam_D = torch.optim.Adam(D.parameters(), lr=s.lr_D, betas=s.betas)
    while True:
        for real, _ in loader:
            valid, fake = torch.ones(s.m), torch.zeros(s.m)
            images = G(torch.randn(s.m, s.latent_dim))
            adam_D.zero_grad()
            loss_D = bce(D(real), valid) + bce(D(images.detach()), fake)
            loss_D.backward()
            adam_D.step()
            images = G(torch.randn(s.m, s.latent_dim))
            adam_G.zero_grad()
            loss_G = bce(D(images), valid)
            loss_G.backward()
            adam_G.step()
            losses.append((loss_D.item(), loss_G.item()))
            yield


def main(rounds=9, iterations=40):
    images, loops = data.load("mnist"), {"textbook": textbook()}
    loops |= {name: steps(start("cpu", fast=name == "default"), images) for name in ("plain", "default")}
    times = {name: [] for name in loops}
    for name, loop in list(loops.items()) * (rounds + 1):  # the first round warms up
        began = perf_counter()
        list(islice(loop, iterations))
        times[name].append(1000 * (perf_counter() - began) / iterations)
    ms = {name: round(statistics.median(found[1:]), 2) for name, found in times.items()}
    print(json.dumps({"precision": start("cpu").precision, "threads": torch.get_num_threads(), "ms": ms}))


if __name__ == "__main__":
    main()
