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
from ganlib.algorithm import update_D, update_G
from ganlib.networks import Discriminator, Generator
from ganlib.training import PLAIN, Settings, start, steps

import torch
from torch.utils.data import DataLoader


def textbook():
    """The loop as lessons print it: a transform an image, one tensor after the other, `.item()`. Endless."""
    s = Settings(**PLAIN)
    loader = DataLoader(data.dataset("mnist"), batch_size=s.m, shuffle=True, drop_last=True)
    G, D = Generator(s.latent_dim, s.hidden_G), Discriminator(s.hidden_D, s.dropout)
    adam_G = torch.optim.Adam(G.parameters(), lr=s.lr_G, betas=s.betas)
    adam_D = torch.optim.Adam(D.parameters(), lr=s.lr_D, betas=s.betas)
    while True:
        for x, _ in loader:
            loss_D = update_D(D, G, x, torch.randn(s.m, s.latent_dim), adam_D).item()
            yield loss_D, update_G(D, G, torch.randn(s.m, s.latent_dim), adam_G).item()


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
