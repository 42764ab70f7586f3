"""Runs: the plain path, the fast one, the average, the rates, what stops a run; looking changes nothing."""

import itertools
import math
import sys
from contextlib import suppress
from itertools import islice

import numpy as np
import pytest
import torch
from conftest import ROOT, code_cells, last, random_images, same, weights
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.utils import parameters_to_vector

from ganlib import algorithm, state, training
from ganlib.networks import Discriminator, Generator
from ganlib.training import EVERY, PLAIN, answers, start, steps, train

SMALL = {"hidden_G": (16, 32), "hidden_D": (32, 16), "m": 10, "device": "cpu"}
PLAINLY = SMALL | {"fast": False}  # Algorithm 1's own path
IMAGES = random_images(120)


def test_the_plain_path_is_the_loop_that_one_writes_by_hand():
    """Bit for bit, Dropout included: torch's own calls only; images left over in an epoch are left out."""
    torch.manual_seed(5)
    G, D = Generator(hidden=(16, 32)), Discriminator(hidden=(32, 16))
    fixed = torch.randn(36, 100)
    adam_D = torch.optim.Adam(D.parameters(), lr=6e-4, betas=(0.0, 0.99))
    adam_G = torch.optim.Adam(G.parameters(), lr=1.2e-3, betas=(0.0, 0.99))
    losses, images = [], random_images(125)
    for _ in range(2):
        order = torch.randperm(125)
        for i in range(0, 120, 20):
            for part in (order[i : i + 10], order[i + 10 : i + 20]):  # k = 2
                z, x = torch.randn(10, 100), (images.pixels[part, None].float() / 255 - 0.5) / 0.5
                adam_D.zero_grad()
                real, fake = D(x), D(G(z).detach())
                loss_D = bce(real, torch.ones(10)) + bce(fake, torch.zeros(10))
                loss_D.backward()
                adam_D.step()
            adam_G.zero_grad()
            loss_G = bce(D(G(torch.randn(10, 100))), torch.ones(10))
            loss_G.backward()
            adam_G.step()
            losses.append([loss_D.item(), loss_G.item()])
    options = PLAINLY | {"seed": 5, "k": 2, "average": 0.0, "decay_steps": 0}
    told = islice(steps(start(**options), images), 12)  # the same, and from epoch to epoch by itself
    assert [[loss.item() for loss in pair] for pair in told] == losses
    epochs = list(train(images, 2, **options))
    assert same(weights(epochs[1].state), [p.detach() for p in [*G.parameters(), *D.parameters()]])
    got = [[epoch.loss_D, epoch.loss_G] for epoch in epochs]
    np.testing.assert_allclose(got, np.reshape(losses, (2, 6, 2)).mean(1), rtol=1e-6)
    assert torch.equal(epochs[1].state.fixed_noise, fixed) and epochs[1].state.iterations == 12
    assert epochs[1].images.shape == (36, 1, 28, 28) and str(epochs[1]).startswith("epoch 2/2: loss_D ")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_functions_of_notebook_03_train_as_ganlib_s(precision):
    names = {"torch": torch, "bce": bce}
    for cell in code_cells(ROOT / "notebooks" / "03_thuat_toan.ipynb"):
        if cell.startswith(("def loss_D", "def loss_G")):
            exec(cell, names)
    written = {name: names[name] for name in ("update_D", "update_G")}
    mine, ours = (last(train(IMAGES, 2, **SMALL, precision=precision, **by)) for by in (written, {}))
    assert same(weights(mine.state), weights(ours.state))
    assert (mine.loss_D, mine.loss_G) == (ours.loss_D, ours.loss_G)


def test_bf16_where_there_are_instructions_for_it_and_not_by_emulation(monkeypatch):
    for has, expected in (({}, "fp32"), ({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: has, raising=False)
        assert (start("cpu").precision, start("cpu", fast=False).precision) == (expected, "fp32")
    for generation in ((7, 5), (8, 0), (9, 0)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, found=generation: found)
        assert state.has_bf16(torch.device("cuda")) == (generation >= (8, 0))


def test_bf16_is_near_fp32_and_keeps_the_weights_in_fp32():
    exact, rough = (last(train(IMAGES, 1, dropout=0.0, precision=how, **SMALL)) for how in ("fp32", "bf16"))
    assert {p.dtype for p in weights(rough.state)} == {torch.float32} and "(bf16)" in str(rough)
    assert exact.loss_D != rough.loss_D == pytest.approx(exact.loss_D, rel=0.02)
    torch.testing.assert_close(rough.images, exact.images, atol=0.05, rtol=0)


@pytest.mark.parametrize("p", [0.0015, 0.3])
def test_masks_drop_a_share_p_and_keep_the_mean(p):
    """Each byte of a random word as the others; fresh each time; in training only."""
    torch.manual_seed(0)
    layer, rounded = state.Dropout(p), round(256 * p) / 256 or p
    y, sigma = layer(torch.ones(50_000, 8)), math.sqrt(rounded * (1 - rounded) / 50_000)
    assert ((y == 0).double().mean(0) - rounded).abs().max() <= 5 * sigma
    assert y[y != 0].unique().item() == pytest.approx(1 / (1 - rounded), rel=1e-6)
    x = torch.randn(501, 7)  # no multiple of eight
    assert not torch.equal(layer(x), layer(x)) and layer.eval()(x) is x


def test_looking_does_not_change_a_run_nor_a_run_anybody_s_randomness():
    def run(looks, seed=0):
        state = start(average=0.9, seed=seed, **PLAINLY)
        for _ in train(IMAGES, 3, state=state):
            if looks:
                torch.manual_seed(99)
                answers(state.D, state.sampler(), torch.zeros(5, 1, 28, 28), state.noise(5))
                next(steps(start(**PLAINLY), IMAGES))  # another run in between
        return weights(state)

    outside = torch.get_rng_state()
    quiet = run(looks=False)
    assert torch.equal(torch.get_rng_state(), outside)
    assert same(quiet, run(looks=True)) and not same(quiet, run(looks=False, seed=1))


def test_the_average_is_the_average():
    state = start(average=0.5, lr_G=0.05, **PLAINLY)
    run, expected = steps(state, IMAGES), parameters_to_vector(state.G.parameters())
    for t in range(20):
        next(run)
        a = min(0.5, (1 + t) / (10 + t))
        expected = a * expected + (1 - a) * parameters_to_vector(state.G.parameters())
        torch.testing.assert_close(parameters_to_vector(state.sampler().parameters()), expected)


def test_the_rates_fall_as_one_over_one_plus_t_over_T_or_not_at_all():
    for T in (5, 0):
        state = start(decay_steps=T, lr_D=0.1, lr_G=0.2, **SMALL)
        for t, _ in enumerate(islice(steps(state, IMAGES), 10), 1):
            rates = [optimizer.param_groups[0]["lr"] for optimizer in (state.optimizer_D, state.optimizer_G)]
            assert rates == pytest.approx([0.1 / (1 + t / T), 0.2 / (1 + t / T)] if T else [0.1, 0.2])
    assert start(**PLAIN).optimizer_G.param_groups[0]["lr"] == 2e-4


def test_frames_are_what_stood_every_fifty_iterations():
    (epoch,) = train(random_images(1200), 1, **SMALL)
    assert EVERY == 50 and [frame.iteration for frame in epoch.frames] == [50, 100, 120]
    assert torch.equal(epoch.frames[-1].images, training.data.to_pixels(epoch.images))
    assert epoch.D_x == pytest.approx(np.mean([frame.D_x for frame in epoch.frames]))
    assert epoch.frames[0].images.dtype == torch.uint8 and epoch.frames[0].loss_D > 0


def test_answers_are_means_of_D_without_dropout():
    G, D = Generator(hidden=(8,)), Discriminator((8,), dropout=0.9)
    x, z, before = IMAGES.batch(range(5)), torch.randn(7, 100), torch.get_rng_state()
    told = answers(D, G, x, z)
    assert D.training and torch.equal(torch.get_rng_state(), before)
    assert told == pytest.approx([D.eval()(shown).double().sigmoid().mean().item() for shown in (x, G(z))])


def test_a_training_that_does_not_train_says_so(capsys):
    train(IMAGES, 1, **SMALL)  # the loop round it is missing
    assert capsys.readouterr().out.startswith("train chưa chạy epoch nào. Hãy viết: for epoch in train")
    state = start(**SMALL)
    assert len(list(train(IMAGES, 2, state=state))) == 2 and not capsys.readouterr().out
    assert list(train(IMAGES, 2, state=state)) == []
    assert "đã học 2 epoch; epochs=2 là tổng số" in capsys.readouterr().out


@pytest.mark.parametrize("done", [0, 1])
def test_a_loss_that_is_not_finite_goes_back_to_the_last_good_epoch(done):
    state = start(average=0.9, **PLAINLY)
    list(train(IMAGES, 1, state=state) if done else ())
    good, whole = weights(state), last(train(IMAGES, 2, average=0.9, **PLAINLY))
    with pytest.warns(RuntimeWarning, match=rf"^Loss là NaN hoặc vô hạn \(thường vì .*cuối epoch {done}"):
        run = train(IMAGES, 5, state=state, update_D=lambda *given: algorithm.update_D(*given) * math.nan)
        assert list(run) == []
    assert state.epoch == done and same(good, weights(state))
    assert last(train(IMAGES, 2, state=state)).loss_D == whole.loss_D  # it goes on as if nothing had been


CORE = {module.__file__ for module in (algorithm, state, training)}


def stopped_before_line(number, epochs):
    """Whether Ctrl-C came: before that line of the core, counted as run, while these epochs are asked for."""
    lines, at = itertools.count(1), {}  # at: frame -> its line

    def trace(frame, event, _):
        # Python 3.12 reports the line of a comprehension again and again; what a tracer raises there passes by `try`
        again, at[frame] = at.get(frame) == frame.f_lineno, frame.f_lineno
        if event == "line" and not again and next(lines) == number:
            raise KeyboardInterrupt
        return trace

    sys.settrace(lambda frame, *_: trace if frame.f_code.co_filename in CORE else None)
    with suppress(KeyboardInterrupt):  # before or after an epoch it is the caller's to catch
        list(epochs)
    sys.settrace(None)
    return next(lines) > number


@pytest.mark.filterwarnings("ignore:Dừng theo yêu cầu", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stopped_at_any_line_a_run_goes_on_as_if_it_had_not_been(precision):
    """Each line of both updates, and of all that stands around them in an epoch."""
    few, tiny = random_images(10), {"m": 10, "hidden_G": (8,), "hidden_D": (8,), "decay_steps": 3}

    def begun():
        state = start("cpu", precision, **tiny)
        list(train(few, 1, state=state))
        return state

    list(train(few, 3, state=(whole := begun())))
    for number in itertools.count(1):
        run = begun()
        if not stopped_before_line(number, train(few, 2, state=run)):
            break
        list(train(few, 3, state=run))
        assert same(weights(run), weights(whole)) and torch.equal(run.random[0], whole.random[0])
        assert run.optimizer_G.param_groups[0]["lr"] == whole.optimizer_G.param_groups[0]["lr"]
        assert run.D.training and torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    assert number > 100
