"""How long one iteration takes: the textbook loop, `train` in fp32, `train` as it chooses, each trick off.

    python tests/bench/training.py            # a few minutes; nothing else should run beside it

One process, alternating rounds; the time of a stretch of iterations, medians over the rounds; the same
networks, batches of 100, the same images. Prints a table and, last, one line of JSON.
"""

import argparse  # noqa: I001, ganlib comes before torch, whose threads it sets
import json
import statistics
from itertools import islice
from time import perf_counter

from ganlib import data, fast
from ganlib.networks import Discriminator, Generator
from ganlib.training import Settings, start, steps

import torch
from torch import nn
from torch.utils.data import DataLoader

SETTINGS = Settings()


def textbook(s=SETTINGS):
    """The loop as lessons print it: a transform an image, whole graphs, `.item()` each step. Endless."""
    m, latent_dim = s.m, s.latent_dim
    loader = DataLoader(data.dataset("mnist"), batch_size=m, shuffle=True, drop_last=True)
    generator, discriminator = Generator(latent_dim, s.hidden_G), Discriminator(s.hidden_D, s.dropout)
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=s.lr_G, betas=s.betas)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=s.lr_D, betas=s.betas)
    criterion, losses_d, losses_g = nn.BCEWithLogitsLoss(), [], []
    while True:
        for real, _ in loader:
            valid, fake = torch.ones(m), torch.zeros(m)
            images = generator(torch.randn(m, latent_dim))
            optimizer_d.zero_grad()
            real_loss = criterion(discriminator(real), valid)
            fake_loss = criterion(discriminator(images.detach()), fake)
            d_loss = real_loss + fake_loss
            d_loss.backward()
            optimizer_d.step()
            losses_d.append(d_loss.item())
            images = generator(torch.randn(m, latent_dim))
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--iterations", type=int, default=40, help="a loop and round")
    options = parser.parse_args()
    images = data.load("mnist")

    def train(**how):
        return steps(start("cpu", **how), images)

    loops = {"textbook": textbook(), "plain": train(fast=False), "fp32": train(precision="fp32")}
    loops["default"] = train()
    for precision in ("fp32", "auto"):
        for trick in fast.TRICKS:
            others = tuple(other for other in fast.TRICKS if other != trick)
            name = "fp32" if precision == "fp32" else "default"
            loops[f"{name} without {trick}"] = train(precision=precision, fast=others)
    for loop in loops.values():
        milliseconds(loop, 10)
    measured = {name: [] for name in loops}
    for _ in range(options.rounds):
        for name, loop in loops.items():
            measured[name].append(milliseconds(loop, options.iterations))
    ms = {name: statistics.median(values) for name, values in measured.items()}
    print(f"{images.message}\ndefault: {start('cpu').precision}; {torch.get_num_threads()} threads")
    print(f"{'loop':28s} {'ms':>6s} {'min … max':>15s} {'textbook ÷':>11s}")
    for name, values in measured.items():
        spread = f"{min(values):.1f} … {max(values):.1f}"
        print(f"{name:28s} {ms[name]:6.1f} {spread:>15s} {ms['textbook'] / ms[name]:11.2f}")
    result = {f"{name.replace(' ', '_')}_ms": value for name, value in ms.items()}
    result |= {f"ratio_{name}": ms["textbook"] / ms[name] for name in ("fp32", "default")}
    print(json.dumps({name: round(value, 3) for name, value in result.items()}))


if __name__ == "__main__":
    main()
