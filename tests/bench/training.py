"""How fast the default is: milliseconds an iteration, and seconds until its samples are as good as the textbook's.

    python tests/bench/training.py            # about ten minutes; nothing else should run beside it

ms: the textbook loop (DataLoader, a transform an image, `.item()`), Algorithm 1 as the notebooks write it
(plain), `train` as it chooses (default): one process, in turn, medians. Then the default is trained until its
Fréchet distance first falls to what the textbook recipe has after 100 epochs, and for thirty seconds from each
of five seeds; scoring does not count. The last line is JSON.
"""

import argparse  # noqa: I001, ganlib comes before torch, whose threads it sets
import json
import statistics
from itertools import islice
from time import perf_counter

from ganlib import data, scores
from ganlib.networks import Discriminator, Generator
from ganlib.training import PLAIN, Settings, start, steps

import torch
from torch import nn
from torch.utils.data import DataLoader

TEXTBOOK = 10.3  # the Fréchet distance of PLAIN after 100 epochs, by the same classifier
EPOCH = 600  # iterations


def textbook():
    """The loop as lessons print it: a transform an image, whole graphs, `.item()` each step. Endless."""
    s = Settings(**PLAIN)
    loader = DataLoader(data.dataset("mnist"), batch_size=s.m, shuffle=True, drop_last=True)
    generator, discriminator = Generator(s.latent_dim, s.hidden_G), Discriminator(s.hidden_D, s.dropout)
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=s.lr_G, betas=s.betas)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=s.lr_D, betas=s.betas)
    criterion, losses_d, losses_g = nn.BCEWithLogitsLoss(), [], []
    while True:
        for real, _ in loader:
            valid, fake = torch.ones(s.m), torch.zeros(s.m)
            images = generator(torch.randn(s.m, s.latent_dim))
            optimizer_d.zero_grad()
            d_loss = criterion(discriminator(real), valid) + criterion(discriminator(images.detach()), fake)
            d_loss.backward()
            optimizer_d.step()
            losses_d.append(d_loss.item())
            images = generator(torch.randn(s.m, s.latent_dim))
            optimizer_g.zero_grad()
            g_loss = criterion(discriminator(images), valid)
            g_loss.backward()
            optimizer_g.step()
            losses_g.append(g_loss.item())
            yield


def milliseconds(iterator, count):
    """Of one item of the iterator, mean over `count` of them."""
    began = perf_counter()
    for _ in islice(iterator, count):
        pass
    return 1000 * (perf_counter() - began) / count


def trained(seed, images, frechet, seconds, good=0.0, every=100):
    """(seconds of training, Fréchet distance) when that is `good`, or after so many seconds."""
    state, spent = start("cpu", seed=seed), 0.0
    run = steps(state, images)
    while True:
        spent += milliseconds(run, every) * every / 1000
        if good or spent >= seconds:
            value = frechet(state.sampler())
            if value <= good or spent >= seconds:
                return spent, value


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--iterations", type=int, default=40, help="a loop and round")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--limit", type=float, default=600, help="seconds in which to reach the textbook")
    o = parser.parse_args(words)
    images, classifier = data.load("mnist"), scores.load_classifier("mnist")
    test = data.load("mnist", train=False)
    loops = {"textbook": textbook(), "plain": steps(start("cpu", fast=False), images)}
    loops["default"] = steps(start("cpu"), images)
    for loop in loops.values():
        milliseconds(loop, min(10, o.iterations))
    rounds = [
        {name: milliseconds(loop, o.iterations) for name, loop in loops.items()} for _ in range(o.rounds)
    ]
    ms = {name: round(statistics.median(row[name] for row in rounds), 2) for name in loops}

    def frechet(G):
        return scores.frechet(scores.draw(G), test, classifier)

    every = min(100, o.iterations)
    seconds, _ = trained(0, images, frechet, o.limit, TEXTBOOK, every)
    after = [trained(seed, images, frechet, o.seconds, every=every)[1] for seed in range(o.seeds)]
    result = {"precision": start("cpu").precision, "threads": torch.get_num_threads(), "ms": ms}
    result |= {
        "seconds_to_textbook": round(seconds, 1),
        "frechet_at_30_s": [round(value, 2) for value in after],
    }
    result["ratio_to_textbook"] = round(100 * EPOCH * ms["textbook"] / 1000 / seconds, 1)
    print(json.dumps(result))
    return result


if __name__ == "__main__":
    main()
