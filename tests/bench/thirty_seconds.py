"""How soon a GAN of linear layers draws as the textbook recipe does after 100 epochs.

    python tests/bench/thirty_seconds.py            # the race: ten minutes, with nothing else beside it
    python tests/bench/thirty_seconds.py --rows     # an hour: the same with one change a row

The sprint, which notebook 10 writes out, is Algorithm 1 on the write-up's layers. Its seconds are those of
training from nothing: images read, networks made, every iteration; neither imports nor scoring. What it is
set to was chosen with training images 50,000…59,999 held out, and so are the rows; the race asks the test
images, once, and times the textbook loop between two sprints. Both go into ganlib/assets/thirty.json; the
race's last line is JSON.
"""

import argparse  # noqa: I001, ganlib comes before torch, whose threads it sets
import json
import statistics
from time import perf_counter, process_time

from choices import keep
from training import milliseconds, textbook

from ganlib import data, scores
from ganlib.features import against
from ganlib.training import PLAIN, Settings, start, steps

import torch
from torch.optim.lr_scheduler import LinearLR
from torch.optim.swa_utils import AveragedModel

FILE = data.ASSETS / "thirty.json"
ITERATIONS = 3_000
SPRINT = {"lr_D": 8e-4, "lr_G": 1.6e-3, "betas": (0.0, 0.99), "dropout": 0, "average": 0}
SPRINT |= {"hidden_G": (256, 512), "hidden_D": (384, 128)}
ROWS = {  # one change a row
    "như trên": {},
    "lớp cuối của G khởi tạo như thường": {"G_looks": False},
    "lớp đầu của D khởi tạo như thường": {"D_looks": False},
    "bề rộng 512, 512 ở cả hai mạng": {"hidden_G": (512, 512), "hidden_D": (512, 512)},
    "không lấy trung bình trọng số": {"averaged": False},
    "tốc độ học không giảm": {"last": 1},
    "hai tốc độ học nhỏ đi bốn lần": {"lr_D": 2e-4, "lr_G": 4e-4},
    "β₁ = 0.5, β₂ = 0.999": {"betas": (0.5, 0.999)},
    "Dropout 0.3": {"dropout": 0.3},
    "10,000 vòng lặp": {"iterations": 10_000},
}
ORDER = ("race", *ROWS)


def look(G, D, images, seed, G_looks=True, D_looks=True):
    """Start G's last layer and D's first from differences of two real images (512 pairs), and their mean."""
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:1024]
    x = data.to_float(images[chosen]).flatten(1)
    mean, differences = x.mean(0), x[:512] - x[512:]
    if G_looks:
        outer = G.layers[-3]
        outer.weight.data = differences.T.contiguous() / 20
        outer.bias.data = mean.clamp(-0.98, 0.98).atanh()
    if D_looks:
        inner = D.layers[1]
        inner.weight.data = differences[: inner.out_features] / 50
        inner.bias.data = -inner.weight.data @ mean


def sprint(
    seed, iterations=ITERATIONS, first=60_000, last=0.1, averaged=True, G_looks=True, D_looks=True, **changes
):
    """Train from nothing on the `first` images; returns (G, seconds, seconds of computing).

    last: the part of themselves to which the rates fall; averaged: G of the averaged weights, most of them
    of the last half; G_looks, D_looks: that network starts from pairs of images (`look`).
    """
    began, computing = perf_counter(), process_time()
    images = data.load("mnist").pixels[:first]
    state = start("cpu", seed=seed, **SPRINT | changes)
    look(state.G, state.D, images, seed, G_looks, D_looks)
    average = AveragedModel(state.G, avg_fn=lambda mean, now, n: mean + (now - mean) * 2 / (n + 2))
    rates = [LinearLR(o, 1, last, iterations) for o in (state.optimizer_D, state.optimizer_G)]
    run = steps(state, images)
    for _ in range(iterations):
        next(run)
        average.update_parameters(state.G)
        for rate in rates:
            rate.step()
    G = average.module if averaged else state.G
    return G, perf_counter() - began, process_time() - computing


def score(G, measures, test, validation, draws):
    """Parzen of the first draw of z; of the others the means over so many draws."""
    found = scores.over_draws(G, measures, draws)
    parzen = scores.parzen(scores.draw(G), test, validation).mean
    return {"parzen": parzen} | {key: found[key] for key in ("frechet", "precision", "recall")}


def race(seeds, iterations, judge):
    """The sprint over the seeds, with the textbook loop between two sprints: the numbers of the last line."""
    runs, epochs = [], []
    for seed in range(seeds):
        loop = textbook(Settings(**PLAIN))
        milliseconds(loop, 10)
        epochs.append(0.6 * milliseconds(loop, 40))  # an epoch: 600 iterations, in seconds
        G, seconds, _ = sprint(seed, iterations)
        runs.append(judge(G) | {"seconds": seconds})
        print(f"seed {seed}:", ", ".join(f"{key} {value:.3g}" for key, value in runs[-1].items()), flush=True)
    result = {key: [round(run[key], 3) for run in runs] for key in runs[0]}
    epoch, mean = statistics.median(epochs), statistics.mean(result["seconds"])
    return result | {
        "textbook_epoch_seconds": round(epoch, 2),
        "ratio_to_textbook": round(100 * epoch / mean, 1),
    }


def rows(seeds, judge):
    """The first row over the seeds, the others over three; on held-out images, in seconds of computing."""
    for name, changes in ROWS.items():
        runs = []
        for seed in range(min(seeds, 3) if changes else seeds):
            G, _, computing = sprint(seed, first=50_000, **changes)
            runs.append(judge(G) | {"seconds": computing})
        columns = {key: [round(run[key], 3) for run in runs] for key in runs[0]}
        keep(FILE, ORDER, name, columns)
        print(name, {key: round(statistics.mean(values), 2) for key, values in columns.items()}, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=ITERATIONS, help="of the race; others are not kept")
    parser.add_argument("--rows", action="store_true", help="one change a row, on one thread")
    options = parser.parse_args()
    train, test = data.load("mnist"), data.load("mnist", train=False)
    real = train.pixels[50_000:] if options.rows else test.pixels
    measures = against(real, scores.load_classifier("mnist"))

    def judge(G):
        return score(G, measures, real, train.pixels[50_000:51_000], 2 if options.rows else scores.DRAWS)

    print(train.message)
    if options.rows:
        torch.set_num_threads(1)
        rows(options.seeds, judge)
    else:
        result = race(options.seeds, options.iterations, judge)
        if options.iterations == ITERATIONS:
            keep(FILE, ORDER, "race", result)
        print(json.dumps(result))


if __name__ == "__main__":
    main()
