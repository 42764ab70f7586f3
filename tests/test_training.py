"""Runs: what a reader's settings and own functions do, what stops a run, and that looking changes nothing."""

import ast
import math
from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch
from conftest import ROOT, code_cells, random_images, same, weights
from torch.nn.utils import parameters_to_vector

from ganlib import algorithm
from ganlib.networks import Discriminator, Generator
from ganlib.training import answers, start, steps, train

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
    adam_D = torch.optim.Adam(D.parameters(), lr=1e-4, betas=(0.5, 0.999))
    adam_G = torch.optim.Adam(G.parameters(), lr=4e-4, betas=(0.5, 0.999))
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
    options = {"seed": 5, "k": 2, "average": 0.0} | SMALL | PLAINLY
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
    tricks = ("fused", "masks", "frozen") if precision == "bf16" else False  # "joined" draws other masks
    options = SMALL | {"device": "cpu", "precision": precision, "fast": tricks}
    mine = last(train(images, 2, update_D=update_D, update_G=update_G, **options))
    ours = last(train(images, 2, **options))
    assert same(weights(mine.state), weights(ours.state))
    assert (mine.loss_D, mine.loss_G) == (ours.loss_D, ours.loss_G)


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


def test_a_learning_rate_that_the_reader_sets_stays(images):
    state = start(**SMALL, **PLAINLY)
    for epoch in train(images, 3, state=state):
        assert state.optimizer_D.param_groups[0]["lr"] == (1e-4 if epoch.epoch == 1 else 0.1)
        state.optimizer_D.param_groups[0]["lr"] = 0.1


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


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"k": 0}, "k phải là số nguyên từ 1"),
        ({"m": "100"}, "m phải là số nguyên từ 1"),
        ({"seed": -1}, "seed phải là số nguyên từ 0"),
        ({"lr_D": 0}, "lr_D phải là một số dương"),
        ({"lr_G": float("nan")}, "lr_G phải là một số dương"),
        ({"hidden_G": 512}, "hidden_G phải là dãy số nguyên dương"),
        ({"loss": "wgan"}, "loss phải là 'non_saturating' hoặc 'minimax'; đã nhận 'wgan'"),
        ({"average": 1.0}, "average phải là số từ 0 đến dưới 1"),
        ({"precision": "fp16"}, "precision phải là"),
        ({"m": 121}, "cần k·m = 1·121 = 121 ảnh.*chỉ có 120. Hãy giảm k hoặc m"),
        ({"epochs": 0}, "epochs phải là số nguyên từ 1"),
        ({"learning_rate": 0.1}, "'learning_rate'.*lr_D"),
        ({"images": [1, 2, 3]}, "images phải là data.Images"),
        ({"images": torch.zeros(120, dtype=torch.int64)}, "uint8"),
        ({"state": start(**SMALL, **PLAINLY)}, "state"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(images, settings, words):
    settings = {"images": images, "epochs": 1, "device": "cpu"} | SMALL | settings
    with pytest.raises((ValueError, TypeError), match=words):
        train(**settings)  # the call itself: nothing is iterated


def stopped(run):
    """The one warning with which the run ends; it yields no epoch more."""
    with pytest.warns(RuntimeWarning) as said:
        assert list(run) == []
    (warning,) = said
    return warning.message


@pytest.mark.parametrize(("done", "kept"), [(0, "trở về trọng số ban đầu"), (1, "trọng số ở cuối epoch 1")])
def test_a_loss_that_is_not_finite_goes_back_to_the_last_good_epoch(images, done, kept):
    state = start(average=0.9, **SMALL, **PLAINLY)
    list(train(images, 1, state=state) if done else ())
    good = weights(state)
    run = train(images, 5, state=state, update_D=lambda *given: algorithm.update_D(*given) * math.nan)
    message = stopped(run)
    assert message.why == "not finite" and kept in str(message)
    assert f"Loss ở epoch {done + 1} là NaN hoặc vô hạn (thường vì tốc độ học quá lớn)" in str(message)
    assert state.epoch == done and same(good, weights(state))
    whole = last(train(images, 2, average=0.9, **SMALL, **PLAINLY))
    assert last(train(images, 2, state=state)).loss_D == whole.loss_D  # it goes on as if nothing had been


def test_ctrl_c_keeps_the_epochs_so_far(images):
    state, calls = start(**SMALL, **PLAINLY), iter(range(3))
    run = train(images, 9, state=state)
    assert [next(run).epoch, next(run).epoch] == [1, 2]
    good = weights(state)

    def stop(*_):
        if next(calls, None) is None:
            raise KeyboardInterrupt

    handle = state.G.register_forward_pre_hook(stop)
    message = stopped(run)
    handle.remove()
    assert message.why == "interrupt" and "Đã dừng theo yêu cầu; giữ nguyên" in str(message)
    assert state.epoch == 2 and same(good, weights(state))
