"""Each trick of ganlib.fast against the plain form; a run stopped at any line; two processes by torchrun."""

import copy
import itertools
import math
import os
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest
import torch
from conftest import ALONE, HANGS, random_images, same, wait_until, weights
from torch import nn
from torch.amp import autocast_mode

from ganlib import algorithm, fast, record, state, training
from ganlib.__main__ import main
from ganlib.training import start, steps, train

SMALL = {"device": "cpu", "hidden_G": (16, 32), "hidden_D": (32, 16), "m": 10}
IMAGES = random_images(120)
CORE = {module.__file__ for module in (algorithm, fast, state, training, autocast_mode)}


@pytest.mark.parametrize("trick", ["fused", "frozen"])
def test_a_trick_changes_nothing_but_rounding(trick):
    """Dropout included: its masks are the same."""

    def run(tricks):
        state = start(precision="fp32", fast=tricks, **SMALL)
        losses = [torch.stack(pair) for pair in islice(steps(state, IMAGES), 30)]
        return [torch.stack(losses), *weights(state)]

    for on, off in zip(run((trick,)), run(False), strict=True):
        torch.testing.assert_close(on, off, rtol=1e-4, atol=1e-5)


def test_all_are_on_by_default_and_all_off_on_the_plain_path(monkeypatch):
    """bf16 only where the processor has instructions for it."""
    plain, quick = start(fast=False, **SMALL), start(**SMALL)
    assert plain.tricks == () and set(quick.tricks) == set(fast.TRICKS)
    assert same(weights(plain), weights(quick))
    assert {type(layer) for layer in quick.D.layers if isinstance(layer, nn.Dropout)} == {fast.Dropout}
    for capable, on, expected in ((True, True, "bf16"), (True, False, "fp32"), (False, True, "fp32")):
        given = {"avx512_bf16": capable}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda given=given: given, raising=False)
        assert start("cpu", fast=on).precision == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.0, 0.0015, 0.3, 0.998, 1.0])
def test_masks_drop_a_share_p_and_keep_the_mean(p, dtype):
    """At the ends too, where p rounds to 0/256 or 256/256; each byte of a random word as the others."""
    torch.manual_seed(0)
    n = 400_000
    y = fast.Dropout(p)(torch.ones(n // 8, 8, dtype=dtype))
    rounded = p if p < 1 / 512 or p > 511 / 512 else round(256 * p) / 256
    zeros, sigma = (y == 0).double(), math.sqrt(rounded * (1 - rounded) / n)
    assert zeros.mean().item() == pytest.approx(rounded, abs=5 * sigma)
    assert (zeros.mean(0) - rounded).abs().max() <= 5 * sigma * math.sqrt(8)
    kept = y[y != 0].double().unique()
    assert y.dtype == dtype and len(kept) == (p < 1)
    if p < 1:
        assert kept.item() == pytest.approx(1 / (1 - rounded), rel=4e-3 if dtype == torch.bfloat16 else 1e-6)


def test_masks_are_fresh_and_drawn_in_training_only():
    x, layer = torch.randn(13, 7, requires_grad=True), fast.Dropout(0.5)  # no multiple of eight
    y = layer(x)
    y.sum().backward()
    assert torch.equal(x.grad, 2.0 * (y != 0)) and not torch.equal(layer(x), y) and layer.eval()(x) is x


def test_bf16_is_near_fp32_and_keeps_the_weights_in_fp32():
    exact, rough = (next(train(IMAGES, 1, precision=p, dropout=0.0, **SMALL)) for p in ("fp32", "bf16"))
    assert {p.dtype for p in weights(rough.state)} == {torch.float32} and "(bf16)" in str(rough)
    assert exact.loss_D != rough.loss_D == pytest.approx(exact.loss_D, rel=0.01)
    assert rough.loss_G == pytest.approx(exact.loss_G, rel=0.02)
    torch.testing.assert_close(rough.images, exact.images, atol=0.02, rtol=0)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_optimizer_that_the_reader_puts_there_is_what_trains(precision):
    """Defect: in bf16 it moved nothing. One step of SGD is −lr times the gradient of the plain update."""
    state = start(precision=precision, dropout=0.0, average=0.0, **SMALL)
    state.optimizer_D = torch.optim.SGD(state.D.parameters(), lr=0.5)
    plain = copy.deepcopy(state)
    with plain.own_randomness():
        order, z = torch.randperm(120), plain.noise(10)
    sgd = torch.optim.SGD(plain.D.parameters(), lr=0.5)
    algorithm.update_D(plain.D, plain.G, IMAGES.batch(order[:10]), z, sgd)
    before = [p.detach().clone() for p in state.D.parameters()]
    next(steps(state, IMAGES))
    for start_at, moved, expected in zip(before, state.D.parameters(), plain.D.parameters(), strict=True):
        step = (expected - start_at).norm()
        assert step > 0 and (moved - expected).norm() < (0.05 if precision == "bf16" else 1e-5) * step


def stop_before_line(number, work):
    """work(), with a KeyboardInterrupt before that line of the core (counted as run); whether it came."""
    lines, came = itertools.count(1), []

    def trace(frame, event, _):
        if frame.f_code.co_filename not in CORE:
            return None
        if event == "line" and next(lines) == number:
            came.append(frame.f_lineno)
            raise KeyboardInterrupt
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        with suppress(KeyboardInterrupt):  # before or after an epoch it is the caller's to catch
            work()
    finally:
        sys.settrace(previous)
    return bool(came)


@pytest.mark.filterwarnings("ignore:Đã dừng theo yêu cầu")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stopped_at_any_line_a_run_goes_on_as_if_it_had_not_been(precision):
    """Each line of both updates, and of all that stands around them in an epoch, torch's autocast too."""
    few, tiny = random_images(10), SMALL | {"hidden_G": (8,), "hidden_D": (8,)}
    begun = start(precision=precision, **tiny)
    list(train(few, 1, state=begun))
    whole = copy.deepcopy(begun)
    list(train(few, 3, state=whole))
    for number in itertools.count(1):
        run = copy.deepcopy(begun)
        if not stop_before_line(number, lambda run=run: list(train(few, 2, state=run))):
            break
        list(train(few, 3, state=run))
        assert same(weights(run), weights(whole)) and torch.equal(run.random[0], whole.random[0])
        assert run.D.training and torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    assert number > 100


def torchrun(*arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": ALONE}
    return subprocess.Popen([*command, *arguments], **pipes)


def run_tiny(folder, name, **options):
    """A record of three epochs, and the state it ended with."""
    *_, end = record.train_and_record(IMAGES, folder / name, 3, precision="fp32", **SMALL | options)
    return end.state


def one_of_two(folder):
    """What each process does that torchrun starts from this file: it leaves what it reached in a file."""
    fast.begin()
    ended = {name: run_tiny(folder, name, dropout=p) for name, p in (("plain", 0.0), ("dropout", 0.5))}
    kept = {name: weights(state) for name, state in ended.items()}
    masks, D = [], ended["dropout"].D
    torch.manual_seed(0)
    D.layers[3].register_forward_hook(lambda _, given, out: masks.append(out != 0))
    D(torch.zeros(10, 1, 28, 28))
    kept |= {"mask": masks[0], "after": torch.rand(3)}
    with pytest.raises(ValueError, match=r"m phải chia hết cho số tiến trình \(2\)"):
        run_tiny(folder, "odd", m=15)
    torch.save(kept, folder / f"rank{fast.rank()}")
    fast.end()


@pytest.mark.slow
def test_two_processes_train_the_run_of_one(tmp_path):
    """The same bits on both; without Dropout the run of one, to rounding; with it masks of their own."""
    process = torchrun(__file__, str(tmp_path))
    said = process.communicate(timeout=HANGS)[0]
    assert process.returncode == 0, said
    first, second = (torch.load(tmp_path / f"rank{rank}") for rank in (0, 1))
    assert same(first["plain"], second["plain"]) and same(first["dropout"], second["dropout"])
    assert not torch.equal(first["mask"], second["mask"])
    assert torch.equal(first["after"], second["after"])  # what is drawn besides is the same
    assert not (tmp_path / "odd").exists()
    alone = weights(run_tiny(tmp_path, "one", dropout=0.0))
    one, both = record.load(tmp_path / "one"), record.load(tmp_path / "plain")
    for name in ("loss_D", "loss_G", "D_x", "D_Gz"):
        torch.testing.assert_close(getattr(one, name), getattr(both, name), atol=1e-4, rtol=0)
    for a, b in zip(alone, first["plain"], strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=0)


@pytest.mark.slow
def test_a_killed_process_ends_the_run_and_one_alone_goes_on(tmp_path):
    out = tmp_path / "a"
    words = f"train mnist --out {out} --epochs 40 --first 1000 --m 20 --hidden-G 16 --hidden-D 16".split()
    words += "--score-every 0 --device cpu --precision fp32".split()
    process = torchrun("-m", "ganlib", "--", *words)
    wait_until(record.resume_path(out).exists)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(workers[-1]), signal.SIGKILL)
    said = process.communicate(timeout=HANGS)[0]
    assert process.returncode != 0 and not out.exists()
    assert "Chưa xong; phần đã huấn luyện ở trong" in said and "torchrun --nproc-per-node 2" in said, said
    assert main([*words, "--resume"]) == 0
    assert record.load(out).loss_D.isfinite().all()


if __name__ == "__main__":
    one_of_two(Path(sys.argv[1]))
