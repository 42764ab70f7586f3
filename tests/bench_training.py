"""How long one update of both networks takes: the textbook loop, `train` in fp32, `train` as it chooses.

    python tests/bench_training.py            # a few minutes; nothing else should run beside it

One process, alternating rounds, medians; the same networks, batches of 100, the same images. The floor is
what the operations and bytes of one update cost at this machine's own rates, measured here at the same sizes.
Prints a table and, last, one line of JSON.
"""

import argparse
import json
import statistics
from itertools import islice, pairwise
from time import perf_counter

import torch
from torch import nn
from torch.utils.data import DataLoader

from ganlib import data
from ganlib.algorithm import Settings, start, steps
from ganlib.networks import Discriminator, Dropout, Generator

SETTINGS = Settings()
M, LATENT = SETTINGS.m, SETTINGS.latent_dim
SIZES_G = (LATENT, *SETTINGS.hidden_G, 28 * 28)
SIZES_D = (28 * 28, *SETTINGS.hidden_D, 1)


def textbook(name):
    """The loop as lessons print it: a transform an image, whole graphs, `.item()` each step. Endless."""
    loader = DataLoader(data.dataset(name), batch_size=M, shuffle=True, drop_last=True)
    generator, discriminator = Generator(LATENT, SETTINGS.hidden_G), Discriminator(SETTINGS.hidden_D)
    for i, layer in enumerate(discriminator.layers):
        if isinstance(layer, Dropout):
            discriminator.layers[i] = nn.Dropout(SETTINGS.dropout)
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=SETTINGS.lr_G, betas=SETTINGS.betas)
    optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=SETTINGS.lr_D, betas=SETTINGS.betas)
    criterion, losses_d, losses_g = nn.BCEWithLogitsLoss(), [], []
    while True:
        for real, _ in loader:
            valid, fake = torch.ones(M), torch.zeros(M)
            images = generator(torch.randn(M, LATENT))
            optimizer_d.zero_grad()
            real_loss = criterion(discriminator(real), valid)
            fake_loss = criterion(discriminator(images.detach()), fake)
            d_loss = real_loss + fake_loss
            d_loss.backward()
            optimizer_d.step()
            losses_d.append(d_loss.item())
            images = generator(torch.randn(M, LATENT))
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


def products():
    """The matrix products (rows, inner, columns) of one update of both networks, D frozen for G's step."""
    shapes = []
    for a, b in pairwise(SIZES_G):  # G(z) for D; G(z), its dW, and its dX but for the first layer, for G
        shapes += [(M, a, b), (M, a, b), (b, M, a)] + [(M, b, a)] * (a != LATENT)
    for a, b in pairwise(SIZES_D):
        for _ in ("real", "fake"):
            shapes += [(M, a, b), (b, M, a)] + [(M, b, a)] * (a != 28 * 28)
        shapes += [(M, a, b), (M, b, a)]  # D(G(z)), and the gradient back to the image
    return shapes


def product_rate(dtype):
    """Operations a second over all products of one update, the best of some passes."""
    pairs = [(torch.randn(n, k).to(dtype), torch.randn(k, m).to(dtype)) for n, k, m in products()]
    best = float("inf")
    for _ in range(20):
        began = perf_counter()
        for a, b in pairs:
            torch.mm(a, b)
        best = min(best, perf_counter() - began)
    return operations() / best


def operations():
    return sum(2 * n * k * m for n, k, m in products())


def bandwidth():
    """Bytes a second, read and written, of a copy that fits no cache."""
    a = torch.ones(64 * 2**20)
    b, best = torch.empty_like(a), float("inf")
    for _ in range(8):
        began = perf_counter()
        b.copy_(a)
        best = min(best, perf_counter() - began)
    return 2 * a.nbytes / best


def optimizer_bytes():
    """Adam reads p, g, m, v, writes p, m, v; the average reads p and its own, writes its own; all fp32."""
    count_g, count_d = (sum(a * b + b for a, b in pairwise(sizes)) for sizes in (SIZES_G, SIZES_D))
    return 28 * (count_g + count_d) + (12 * count_g if SETTINGS.average else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--updates", type=int, default=40, help="a loop and round")
    options = parser.parse_args()
    images = data.load("mnist")
    chosen = start().precision
    loops = {
        "textbook": textbook("mnist"),
        "fp32": steps(start("cpu", "fp32"), images),
        "default": steps(start("cpu"), images),
    }
    for loop in loops.values():
        milliseconds(loop, 10)
    measured = {name: [] for name in loops}
    for _ in range(options.rounds):
        for name, loop in loops.items():
            measured[name].append(milliseconds(loop, options.updates))
    time_ms = {name: statistics.median(values) for name, values in measured.items()}
    rates = {"fp32": product_rate(torch.float32), "bf16": product_rate(torch.bfloat16)}
    memory = bandwidth()
    floors = {name: 1000 * (operations() / rate + optimizer_bytes() / memory) for name, rate in rates.items()}
    print(f"{images.message}\nG {SIZES_G}, D {SIZES_D}, m = {M}, {torch.get_num_threads()} threads")
    print(
        f"one update: {operations() / 1e9:.2f} GFLOP, {optimizer_bytes() / 1e6:.0f} MB of optimizer traffic"
    )
    print(f"rates here: {rates['fp32'] / 1e9:.0f} GFLOP/s fp32, {rates['bf16'] / 1e9:.0f} bf16, ", end="")
    print(f"{memory / 1e9:.0f} GB/s\n")
    print(f"{'loop':22s} {'ms':>7s} {'min … max':>15s} {'textbook ÷':>11s} {'floor ms':>9s} {'floor ÷':>8s}")
    floor_of = {"textbook": "fp32", "fp32": "fp32", "default": chosen}
    for name, values in measured.items():
        floor = floors[floor_of[name]]
        label = f"train, default ({chosen})" if name == "default" else {"fp32": "train, fp32"}.get(name, name)
        spread = f"{min(values):.1f} … {max(values):.1f}"
        ratio = time_ms["textbook"] / time_ms[name]
        print(
            f"{label:22s} {time_ms[name]:7.1f} {spread:>15s} {ratio:11.2f} {floor:9.1f} "
            f"{floor / time_ms[name]:8.2f}"
        )
    result = {
        "textbook_ms": time_ms["textbook"],
        "fp32_ms": time_ms["fp32"],
        "default_ms": time_ms["default"],
        "floor_ms": floors[chosen],
        "ratio_fp32": time_ms["textbook"] / time_ms["fp32"],
        "ratio_default": time_ms["textbook"] / time_ms["default"],
        "floor_fraction": floors[chosen] / time_ms["default"],
    }
    print(json.dumps({name: round(value, 3) for name, value in result.items()}))


if __name__ == "__main__":
    main()
