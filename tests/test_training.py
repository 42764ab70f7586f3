"""Runs: the plain path, the fast one, the average, the rates, what stops a run; looking changes nothing."""

import ast
import copy
import itertools
import math
import sys
from contextlib import suppress
from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch
from conftest import ROOT, code_cells, random_images, same, weights
from torch.nn.utils import parameters_to_vector

from ganlib import algorithm, state, training
from ganlib.networks import Discriminator, Generator
from ganlib.training import EVERY, PLAIN, Settings, answers, start, steps, train

SMALL = {"hidden_G": (16, 32), "hidden_D": (32, 16), "m": 10}
PLAINLY = {"device": "cpu", "fast": False}  # Algorithm 1's own path


@pytest.fixture
def images():
    return random_images(120)


def last(epochs):
    return list(epochs)[-1]


def test_the_plain_path_is_the_loop_that_one_writes_by_hand():
    """Bit for bit, Dropout included: torch's own calls only; images left over in an epoch are left out."""
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
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
                loss_D = cross_entropy(real, torch.ones(10)) + cross_entropy(fake, torch.zeros(10))
                loss_D.backward()
                adam_D.step()
            adam_G.zero_grad()
            loss_G = cross_entropy(D(G(torch.randn(10, 100))), torch.ones(10))
            loss_G.backward()
            adam_G.step()
            losses.append([loss_D.item(), loss_G.item()])
    options = {"seed": 5, "k": 2, "average": 0.0, "decay_steps": 0} | SMALL | PLAINLY
    told = islice(steps(start(**options), images), 12)  # the same, and from epoch to epoch by itself
    assert [[loss.item() for loss in pair] for pair in told] == losses
    epochs = list(train(images, 2, **options))
    assert same(weights(epochs[1].state), [p.detach() for p in [*G.parameters(), *D.parameters()]])
    got = [[epoch.loss_D, epoch.loss_G] for epoch in epochs]
    np.testing.assert_allclose(got, np.reshape(losses, (2, 6, 2)).mean(1), rtol=1e-6)
    assert torch.equal(epochs[1].state.fixed_noise, fixed) and epochs[1].state.iterations == 12
    assert epochs[1].images.shape == (36, 1, 28, 28) and str(epochs[1]).startswith("epoch 2/2: loss_D ")


def of_the_notebook():
    """The last update_D and update_G that notebook 03 writes, with what they use of its own and of torch."""
    written, imports = {}, []
    for cell in code_cells(ROOT / "notebooks" / "03_thuat_toan.ipynb"):
        for node in ast.parse(cell).body:
            if isinstance(node, ast.FunctionDef):
                written[node.name] = node
            elif isinstance(node, ast.Import | ast.ImportFrom) and "torch" in ast.unparse(node):
                imports.append(node)
    names = {"m": SMALL["m"]}
    exec(compile(ast.Module([*imports, *written.values()], []), "notebook 03", "exec"), names)
    return names["update_D"], names["update_G"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_functions_of_notebook_03_train_as_ganlib_s(images, precision):
    update_D, update_G = of_the_notebook()
    assert update_D is not algorithm.update_D
    options = SMALL | {"device": "cpu", "precision": precision}
    mine = last(train(images, 2, update_D=update_D, update_G=update_G, **options))
    ours = last(train(images, 2, **options))
    assert same(weights(mine.state), weights(ours.state))
    assert (mine.loss_D, mine.loss_G) == (ours.loss_D, ours.loss_G)


def test_what_makes_it_faster_changes_nothing_but_rounding_and_dropout_s_masks(images):
    options = {"device": "cpu", "precision": "fp32", "dropout": 0.0} | SMALL
    fast, plain = (last(train(images, 2, fast=how, **options)) for how in (True, False))
    for a, b in zip(weights(fast.state), weights(plain.state), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("has", "fast", "expected"), [
    ({}, True, "fp32"), ({"avx512_bf16": True}, True, "bf16"), ({"amx_bf16": True}, True, "bf16"),
    ({"avx512_bf16": True}, False, "fp32"),
])  # fmt: skip
def test_bf16_where_the_processor_has_instructions_for_it(monkeypatch, has, fast, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has, raising=False)
    assert start("cpu", fast=fast).precision == expected


@pytest.mark.parametrize(("generation", "expected"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_bf16_on_a_gpu_by_its_generation_not_by_emulation(monkeypatch, generation, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: generation)
    assert state.has_bf16(torch.device("cuda")) is expected


@pytest.mark.parametrize("p", [0.0, 0.0015, 0.3, 0.998])
def test_masks_drop_a_share_p_and_keep_the_mean(p):
    """Each byte of a random word as the others; fresh each time; in training only."""
    torch.manual_seed(0)
    n, layer = 400_000, state.Dropout(p)
    y = layer(torch.ones(n // 8, 8))
    rounded = p if p < 1 / 512 or p > 511 / 512 else round(256 * p) / 256
    sigma = math.sqrt(max(rounded * (1 - rounded), 1e-12) / n)
    zeros = (y == 0).double()
    assert zeros.mean().item() == pytest.approx(rounded, abs=5 * sigma)
    assert (zeros.mean(0) - rounded).abs().max() <= 5 * sigma * math.sqrt(8)
    assert y[y != 0].unique().item() == pytest.approx(1 / (1 - rounded), rel=1e-6)
    x = torch.randn(13, 7)  # no multiple of eight
    assert p != 0.3 or not torch.equal(layer(x), layer(x))
    assert layer.eval()(x) is x


def test_bf16_is_near_fp32_and_keeps_the_weights_in_fp32(images):
    exact, rough = (
        last(train(images, 1, device="cpu", precision=p, dropout=0.0, **SMALL)) for p in ("fp32", "bf16")
    )
    assert {p.dtype for p in weights(rough.state)} == {torch.float32} and "(bf16)" in str(rough)
    assert exact.loss_D != rough.loss_D == pytest.approx(exact.loss_D, rel=0.02)
    torch.testing.assert_close(rough.images, exact.images, atol=0.05, rtol=0)


@pytest.mark.filterwarnings("ignore:Detected call of")  # pytest forgets ganlib's own filter
def test_a_reader_s_own_updates_are_what_trains(images):
    """D's is one that never learns; G's is eqn4, which also has a name."""
    run = partial(train, images, 2, **SMALL, **PLAINLY)
    never = run(update_D=lambda *given: torch.tensor(3.0))
    before = [p.clone() for p in start(**SMALL, **PLAINLY).D.parameters()]
    assert same(before, last(never).state.D.parameters())
    eqn4 = last(run(update_G=partial(algorithm.update_G, loss_G=algorithm.loss_G_minimax)))
    named = last(run(loss="minimax"))
    assert named.loss_G == eqn4.loss_G < 0 and same(weights(named.state), weights(eqn4.state))


def test_looking_does_not_change_a_run_nor_a_run_anybody_s_randomness(images):
    def run(looks, seed=0):
        state = start(average=0.9, seed=seed, **SMALL, **PLAINLY)
        for _ in train(images, 3, state=state):
            if looks:
                torch.manual_seed(99)
                answers(state.D, state.sampler(), torch.zeros(5, 1, 28, 28), state.noise(5))
                next(steps(start(**SMALL, **PLAINLY), images))  # another run in between
        return weights(state)

    outside = torch.get_rng_state()
    quiet = run(looks=False)
    assert torch.equal(torch.get_rng_state(), outside)
    assert same(quiet, run(looks=True)) and not same(quiet, run(looks=False, seed=1))


def test_the_average_is_the_average(images):
    state = start(average=0.5, lr_G=0.05, **SMALL, **PLAINLY)
    run, expected = steps(state, images), parameters_to_vector(state.G.parameters())
    for t in range(20):
        next(run)
        a = min(0.5, (1 + t) / (10 + t))
        expected = a * expected + (1 - a) * parameters_to_vector(state.G.parameters())
        torch.testing.assert_close(parameters_to_vector(state.sampler().parameters()), expected)


def test_the_rates_fall_as_one_over_one_plus_t_over_T_or_not_at_all(images):
    def rates(state):
        return [optimizer.param_groups[0]["lr"] for optimizer in (state.optimizer_D, state.optimizer_G)]

    falling, constant = start(decay_steps=5, lr_D=0.1, lr_G=0.2, **SMALL), start(decay_steps=0, **SMALL)
    for t, _ in enumerate(zip(range(10), steps(falling, images), steps(constant, images), strict=False), 1):
        assert rates(falling) == pytest.approx([0.1 / (1 + t / 5), 0.2 / (1 + t / 5)])
        assert rates(constant) == [Settings.lr_D, Settings.lr_G]
    assert rates(start(**PLAIN)) == [2e-4, 2e-4] and start(**PLAIN).schedulers == []


def test_an_optimizer_or_a_rate_that_the_reader_puts_there_is_what_trains(images):
    """One step of SGD is −lr times the gradient of the plain update."""
    mine = start("cpu", dropout=0.0, average=0.0, decay_steps=0, **SMALL)
    mine.optimizer_D = torch.optim.SGD(mine.D.parameters(), lr=0.5)
    plain = copy.deepcopy(mine)
    with plain.own_randomness():
        order, z = torch.randperm(120), plain.noise(10)
    sgd = torch.optim.SGD(plain.D.parameters(), lr=0.5)
    algorithm.update_D(plain.D, plain.G, images.batch(order[:10]), z, sgd)
    next(steps(mine, images))
    for moved, expected in zip(mine.D.parameters(), plain.D.parameters(), strict=True):
        torch.testing.assert_close(moved, expected, atol=1e-6, rtol=1e-4)
    for epoch in train(images, 3, state=mine):
        assert mine.optimizer_D.param_groups[0]["lr"] == (0.5 if epoch.epoch == 1 else 0.1)
        mine.optimizer_D.param_groups[0]["lr"] = 0.1


def test_frames_are_what_stood_every_fifty_iterations():
    state = start("cpu", **SMALL)
    (epoch,) = train(random_images(1200), 1, state=state)
    assert EVERY == 50 and [frame.iteration for frame in epoch.frames] == [50, 100, 120]
    assert torch.equal(epoch.frames[-1].images, training.data.to_pixels(epoch.images))
    assert epoch.D_x == pytest.approx(np.mean([frame.D_x for frame in epoch.frames]))
    assert epoch.frames[0].images.dtype == torch.uint8 and epoch.frames[0].loss_D > 0


def test_a_training_that_does_not_train_says_so(images, capsys):
    train(images, 1, **SMALL)  # the loop round it is missing
    assert capsys.readouterr().out.startswith("train chưa chạy epoch nào. Hãy viết: for epoch in train")
    state = start(**SMALL)
    assert len(list(train(images, 2, state=state))) == 2 and not capsys.readouterr().out
    assert list(train(images, 2, state=state)) == []
    assert "đã học 2 epoch; epochs=2 là tổng số" in capsys.readouterr().out


def test_answers_are_means_of_D_without_dropout(images):
    torch.manual_seed(0)
    G, D = Generator(hidden=(8,)), Discriminator((8,), dropout=0.9)
    x, z, before = images.batch(range(5)), torch.randn(7, 100), torch.get_rng_state()
    told = answers(D, G, x, z)
    assert D.training and torch.equal(torch.get_rng_state(), before)
    W, b, v, c = (p.detach().double().numpy() for p in D.parameters())
    for got, batch in zip(told, (x, G(z)), strict=True):
        h = batch.detach().flatten(1).double().numpy() @ W.T + b
        logit = (np.maximum(h, 0.2 * h) @ v.T + c)[:, 0]
        assert got == pytest.approx(np.mean(1 / (1 + np.exp(-logit))), abs=1e-6)
    D.eval()
    assert answers(D, G, x, z) == told and not D.training


def test_settings_take_numpy_s_numbers_and_lists():
    s = Settings(
        seed=np.int64(1), k=np.int32(2), lr_D=np.float32(0.5), hidden_G=[np.int64(8), 9], betas=[0, 0.5]
    )
    assert (s.seed, s.k, s.lr_D, s.hidden_G, s.betas) == (1, 2, 0.5, (8, 9), (0.0, 0.5))
    assert {type(v) for v in (s.seed, s.k, *s.hidden_G)} == {int} and type(s.lr_D) is type(
        s.betas[0]
    ) is float


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"k": 0}, "k không thể là 0; mặc định là 1"),
        ({"m": "100"}, "m không thể là '100'"),
        ({"m": 2.5}, "m không thể là 2.5"),
        ({"seed": -1}, "seed không thể là -1"),
        ({"lr_G": float("nan")}, "lr_G không thể là nan"),
        ({"hidden_G": 512}, "hidden_G không thể là 512"),
        ({"hidden_D": ()}, "hidden_D không thể là"),
        ({"loss": "wgan"}, "loss không thể là 'wgan'; mặc định là 'non_saturating'"),
        ({"average": 1.0}, "average không thể là 1.0"),
        ({"betas": (0.5, 0.9, 0.99)}, "betas không thể là"),
        ({"precision": "fp16"}, "precision phải là"),
        ({"learning_rate": 0.1}, "Không có lựa chọn learning_rate.*lr_D"),
        ({"m": 121}, "k·m = 121 ảnh, ở đây chỉ có 120: giảm k hoặc m"),
        ({"state": start(**SMALL, **PLAINLY)}, "state"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(images, settings, words):
    with pytest.raises((ValueError, TypeError), match=words):
        train(images, 1, **({"device": "cpu"} | SMALL | settings))  # the call itself: nothing is iterated


def stopped(run):
    """The one warning with which the run ends; it yields no epoch more."""
    with pytest.warns(RuntimeWarning) as said:
        assert list(run) == []
    (warning,) = said
    return str(warning.message)


@pytest.mark.parametrize("done", [0, 1])
def test_a_loss_that_is_not_finite_goes_back_to_the_last_good_epoch(images, done):
    state = start(average=0.9, **SMALL, **PLAINLY)
    list(train(images, 1, state=state) if done else ())
    good = weights(state)
    run = train(images, 5, state=state, update_D=lambda *given: algorithm.update_D(*given) * math.nan)
    said = stopped(run)
    assert (
        said.startswith("Loss là NaN hoặc vô hạn (thường vì tốc độ học quá lớn)")
        and f"cuối epoch {done}" in said
    )
    assert state.epoch == done and same(good, weights(state))
    whole = last(train(images, 2, average=0.9, **SMALL, **PLAINLY))
    assert last(train(images, 2, state=state)).loss_D == whole.loss_D  # it goes on as if nothing had been


CORE = {module.__file__ for module in (algorithm, state, training)}


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


@pytest.mark.filterwarnings("ignore:Dừng theo yêu cầu", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_stopped_at_any_line_a_run_goes_on_as_if_it_had_not_been(precision):
    """Each line of both updates, and of all that stands around them in an epoch."""
    few = random_images(10)
    tiny = {
        "precision": precision,
        "device": "cpu",
        "m": 10,
        "hidden_G": (8,),
        "hidden_D": (8,),
        "decay_steps": 3,
    }

    def begun():
        state = start(**tiny)
        list(train(few, 1, state=state))
        return state

    whole = begun()
    list(train(few, 3, state=whole))
    for number in itertools.count(1):
        run = begun()
        if not stop_before_line(number, lambda run=run: list(train(few, 2, state=run))):
            break
        list(train(few, 3, state=run))
        assert same(weights(run), weights(whole)) and torch.equal(run.random[0], whole.random[0])
        assert run.optimizer_G.param_groups[0]["lr"] == whole.optimizer_G.param_groups[0]["lr"]
        assert run.D.training and torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    assert number > 100
