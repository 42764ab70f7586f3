"""Marks of the assignment's questions 1 to 4, by tests that the student does not see.

    python notebooks/lop_hoc/cham_bai.py nop/*.ipynb > diem.csv

Each notebook is executed in a kernel of its own, reduced, its errors allowed (it is somebody else's code: use an
account that holds nothing of value). Questions 5 and 6 are for a person; bai_lon.ipynb has what earns which point.
"""

import argparse
import copy
import csv
import glob
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import nbformat
import torch
from nbclient import NotebookClient
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

POINTS = {"to_network": 1.0, "update_D_soft": 1.5, "one_epoch": 1.5, "missing": 1.0}
TESTS = {"to_network": 3, "update_D_soft": 10, "one_epoch": 12, "missing": 3}


def of_to_network(answer):
    pixels = torch.randint(0, 256, (3, 28, 28), dtype=torch.uint8)
    pixels[0, 0, :2] = torch.tensor([0, 255])
    given = answer(pixels.clone())
    yield given.dtype == torch.float32
    yield given.shape == (3, 1, 28, 28)
    yield torch.allclose(given.flatten().double(), pixels.flatten().double() / 127.5 - 1, atol=1e-6)


def of_update_D_soft(answer):
    G = nn.Sequential(nn.Linear(5, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))
    D = nn.Sequential(nn.Flatten(), nn.Linear(784, 1), nn.Flatten(0))
    x, z = torch.rand(8, 1, 28, 28) * 2 - 1, torch.randn(8, 5)
    for label in ((), (1.0,), (0.7,)):  # () takes the default, 0.9
        mine, right = copy.deepcopy(D), copy.deepcopy(D)
        for p in mine.parameters():
            p.grad = torch.ones_like(p)  # left over from before
        before = copy.deepcopy(G.state_dict())
        said = answer(mine, G, x, z, torch.optim.SGD(mine.parameters(), lr=0.1), *label)
        loss = bce(right(x), torch.full((8,), *(label or (0.9,)))) + bce(right(G(z).detach()), torch.zeros(8))
        loss.backward()
        torch.optim.SGD(right.parameters(), lr=0.1).step()
        moved = zip(mine.parameters(), right.parameters(), strict=True)
        yield all(torch.allclose(a, b, atol=1e-6) for a, b in moved)
        yield not getattr(said, "requires_grad", False) and abs(float(said) - loss.item()) < 1e-5
        yield all(torch.equal(before[name], value) for name, value in G.state_dict().items())
    yield all(p.grad is None for p in G.parameters())


def of_one_epoch(answer):
    images = torch.arange(23.0)[:, None, None, None].expand(-1, 1, 28, 28)
    for k, m in ((1, 5), (2, 3), (3, 4)):
        log, number = [], iter(range(1000))

        def step_D(x, z, log=log):
            log.append(("D", x[:, 0, 0, 0].tolist(), z))
            return torch.tensor(float(len(log)))

        def step_G(z, log=log):
            log.append(("G", [], z))
            return torch.tensor(float(len(log)))

        def noise(n, number=number):
            return torch.full((n, 2), float(next(number)))

        losses = answer(images, k, m, noise, step_D, step_G)
        turns, seen = 23 // (k * m), [i for who, rows, _ in log for i in rows]
        yield "".join(who for who, _, _ in log) == ("D" * k + "G") * turns
        yield len(seen) == len(set(seen)) == turns * k * m and seen != sorted(seen)
        yield len({z[0, 0].item() for _, _, z in log}) == len(log) and all(len(z) == m for _, _, z in log)
        numbers = [i + 1 for i, (who, _, _) in enumerate(log) if who == "G"]
        yield [tuple(map(float, pair)) for pair in losses] == [(i - 1, i) for i in numbers]


def of_missing(answer):
    share = [0, 5, 20, 20, 15, 20, 10, 1, 4, 5]  # of 100
    labels = torch.repeat_interleave(torch.arange(10), torch.tensor(share))[torch.randperm(100)]
    yield list(answer(labels)) == [0]
    yield list(answer(labels, 0.05)) == [0, 7, 8]
    yield list(answer(labels[labels < 5], 0.01)) == [0, 5, 6, 7, 8, 9]


def marks(names: dict) -> dict:
    """Of what a notebook has defined: points of each question, in quarters of what it is worth."""
    given = {}
    for name, most in POINTS.items():
        torch.manual_seed(7)
        held = []
        with suppress(Exception):  # what raises earns what held before it
            for one in globals()[f"of_{name}"](names[name]):
                held.append(bool(one))
        given[name] = most * int(4 * sum(held) / TESTS[name]) / 4
    return given


def mark(path: Path) -> dict:
    """Execute a notebook, reduced, and mark what it leaves behind."""
    notebook = nbformat.read(path, as_version=4)
    here = f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parent)!r})"
    notebook.cells.append(
        nbformat.v4.new_code_cell(f"{here}\nimport cham_bai\nprint(cham_bai.json.dumps(cham_bai.marks(globals())))")
    )
    NotebookClient(notebook, timeout=900, allow_errors=True).execute()
    said = "".join(one.get("text", "") for one in notebook.cells[-1].outputs)
    return json.loads(said.splitlines()[-1])  # what the student's functions print stands above


def main(*names: str) -> None:
    os.environ["GANLIB_EPOCHS"] = "1"
    table = csv.writer(sys.stdout)
    table.writerow(["bài", *(f"câu {i}" for i in range(1, len(POINTS) + 1)), "cộng (trên 5)"])
    for name in (found for pattern in names for found in sorted(glob.glob(pattern))):  # cmd does not expand *
        try:
            given = mark(Path(name))
            table.writerow([Path(name).stem, *given.values(), sum(given.values())])
        except Exception as error:  # one that cannot be read, or never ends, leaves the others alone
            table.writerow([Path(name).stem, f"không chấm được: {type(error).__name__}"])
        sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Chấm câu 1 đến 4 của bài lớn: một bảng CSV, mỗi bài một dòng.")
    parser.add_argument("names", nargs="+", metavar="TỆP", help='ví dụ "nop/*.ipynb"')
    sys.stdout.reconfigure(encoding="utf-8-sig")  # so that Excel reads it, whatever the console says
    main(*parser.parse_args().names)
