"""How fast the default is: milliseconds an iteration, and seconds until its samples are as good as the textbook's.

    python tests/bench/training.py            # some ten minutes; nothing else should run beside it

ms: the textbook loop (DataLoader, a transform an image, `.item()`), Algorithm 1 as the notebooks write it (plain),
`train` as it chooses (default): one process, in turn, medians. Then the default is trained until its Fréchet distance
is the textbook's, and for thirty seconds from each of five seeds; scoring does not count. The last line is JSON.
"""

import json  # noqa: I001, ganlib comes before torch, whose threads it sets
import statistics
from itertools import islice
from time import perf_counter

from ganlib import data, scores
from ganlib.algorithm import update_D, update_G
from ganlib.networks import Discriminator, Generator
from ganlib.training import PLAIN, Settings, start, steps

import torch
from torch.utils.data import DataLoader

TEXTBOOK, EPOCHS = 10.3, 100  # the Fréchet distance of PLAIN after so many epochs of 600, by the same classifier


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


def seconds(loop, iterations):
    began = perf_counter()
    list(islice(loop, iterations))
    return perf_counter() - began


def trained(seed, images, frechet, until, every):
    """(seconds of training, Fréchet distance) as soon as until(seconds, Fréchet)."""
    state, spent, distance = start("cpu", seed=seed), 0.0, lambda: frechet(state.sampler())
    loop = steps(state, images)
    while True:
        spent += seconds(loop, every)
        if until(spent, distance):
            return spent, distance()


def main(rounds=9, iterations=40, seeds=5, limit=30.0, good=TEXTBOOK, every=100):
    images, loops = data.load("mnist"), {"textbook": textbook()}
    loops |= {name: steps(start("cpu", fast=name == "default"), images) for name in ("plain", "default")}
    times = {name: [] for name in loops}
    for name, loop in list(loops.items()) * (rounds + 1):  # the first round warms up
        times[name].append(1000 * seconds(loop, iterations) / iterations)
    ms = {name: round(statistics.median(found[1:]), 2) for name, found in times.items()}
    test, classifier = data.load("mnist", train=False), scores.load_classifier("mnist")

    def frechet(G):
        return scores.frechet(scores.draw(G), test, classifier)

    spent, _ = trained(0, images, frechet, lambda _, distance: distance() <= good, every)
    after = [trained(n, images, frechet, lambda spent, _: spent >= limit, every)[1] for n in range(seeds)]
    told = {"precision": start("cpu").precision, "threads": torch.get_num_threads(), "ms": ms}
    told |= {"seconds_to_textbook": round(spent, 1), "frechet_at_30_s": [round(value, 2) for value in after]}
    print(json.dumps(told | {"ratio_to_textbook": round(EPOCHS * 600 * ms["textbook"] / 1000 / spent, 1)}))


if __name__ == "__main__":
    main()
