"""Algorithm 1 against independent oracles: numpy for losses and gradients, counts for k, bits for moves."""

import itertools
import sys
import warnings
from itertools import islice

import numpy as np
import pytest
import torch

from ganlib import algorithm
from ganlib import state as state_module
from ganlib.algorithm import PLAIN, Settings, iterations_per_epoch, start, steps, train
from ganlib.data import Images
from ganlib.networks import Discriminator, Generator

SMALL = {"hidden_G": (16, 32), "hidden_D": (32, 16), "m": 10, "device": "cpu", "precision": "fp32"}


@pytest.fixture
def images():
    random = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (120, 28, 28), dtype=torch.uint8, generator=random)
    return Images("mnist", pixels, torch.zeros(120, dtype=torch.int64), "sample", "")


def weights(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


def same(before, after):
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


# ------------------------------------------------------------------------------------ losses against numpy


def sigmoid(s):
    return 1 / (1 + np.exp(-s))


LOGITS = np.array([-3.0, -0.5, 0.0, 1.2, 4.0]), np.array([2.0, -1.0, 0.3, -4.0, 0.0])


def test_losses_are_the_paper_s_formulas():
    real, fake = LOGITS
    D_x, D_Gz = sigmoid(real), sigmoid(fake)
    eqn3 = np.mean(np.log(D_x)) + np.mean(np.log(1 - D_Gz))
    real, fake = map(torch.from_numpy, LOGITS)
    assert algorithm.loss_D(real, fake).item() == pytest.approx(-eqn3, abs=1e-12)
    assert algorithm.loss_G(fake).item() == pytest.approx(-np.mean(np.log(D_Gz)), abs=1e-12)
    assert algorithm.loss_G_minimax(fake).item() == pytest.approx(np.mean(np.log(1 - D_Gz)), abs=1e-12)


@pytest.mark.parametrize(
    ("loss", "derivative"),
    [
        (lambda s: algorithm.loss_D(s, s.detach()), lambda s: sigmoid(s) - 1),
        (lambda s: algorithm.loss_D(s.detach(), s), sigmoid),
        (algorithm.loss_G, lambda s: sigmoid(s) - 1),
        (algorithm.loss_G_minimax, lambda s: -sigmoid(s)),
    ],
)
def test_gradients_of_the_losses_in_the_logit(loss, derivative):
    values = LOGITS[0]
    s = torch.tensor(values, requires_grad=True)
    loss(s).backward()
    np.testing.assert_allclose(s.grad.numpy(), derivative(values) / len(values), atol=1e-12)


def test_losses_at_the_equilibrium_and_far_from_it():
    zero, far = torch.zeros(4), torch.full((4,), 200.0)
    assert algorithm.loss_D(zero, zero).item() == pytest.approx(2 * np.log(2))
    assert algorithm.loss_G(zero).item() == pytest.approx(np.log(2))
    assert algorithm.loss_G_minimax(zero).item() == pytest.approx(-np.log(2))
    assert algorithm.loss_G(-far).item() == pytest.approx(200)  # finite where log D(G(z)) alone would be -inf


def test_a_gradient_through_both_networks_against_numpy():
    """θ_g's gradient through a linear D and a linear G, worked out by hand in float64."""
    random = np.random.RandomState(0)
    z, A, w = random.randn(6, 3), random.randn(3, 4), random.randn(4)
    G, D = torch.nn.Linear(3, 4, bias=False).double(), torch.nn.Linear(4, 1, bias=False).double()
    with torch.no_grad():
        G.weight.copy_(torch.from_numpy(A.T))
        D.weight.copy_(torch.from_numpy(w[None]))
    expected = z.T @ np.outer((sigmoid(z @ A @ w) - 1) / 6, w)  # of −1/m Σ log D(G(z)) in A
    before = G.weight.detach().clone()
    algorithm.update_G(D, G, torch.from_numpy(z), torch.optim.SGD(G.parameters(), lr=1.0))
    np.testing.assert_allclose(G.weight.grad.numpy(), expected.T, atol=1e-12)
    np.testing.assert_allclose((before - G.weight).detach().numpy(), expected.T, atol=1e-12)


# ------------------------------------------------------------------------------------- updates: who moves


def pair():
    torch.manual_seed(0)
    G, D = Generator(hidden=(16, 32)), Discriminator(hidden=(32, 16))
    return G, D, *(torch.optim.Adam(network.parameters(), lr=1e-3) for network in (G, D))


def test_update_D_moves_D_alone_and_up_eqn3():
    G, D, _, optimizer = pair()
    D.eval()  # without dropout the same loss can be measured again
    x, z = torch.rand(10, 1, 28, 28) * 2 - 1, torch.randn(10, 100)
    before = weights(G), weights(D)
    loss, D_x, D_Gz = algorithm.update_D(D, G, x, z, optimizer)
    assert same(before[0], G.parameters()) and all(p.grad is None for p in G.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(before[1], D.parameters(), strict=True))
    after, *_ = algorithm.update_D(D, G, x, z, optimizer)
    assert after < loss
    assert 0 < D_x < 1 and 0 < D_Gz < 1 and not loss.requires_grad


@pytest.mark.parametrize("loss", algorithm.LOSSES_G.values())
def test_update_G_moves_G_alone_and_fools_D_better(loss):
    G, D, optimizer, _ = pair()
    D.eval()
    z = torch.randn(10, 100)
    before = weights(G), weights(D)
    value, D_Gz = algorithm.update_G(D, G, z, optimizer, loss)
    assert same(before[1], D.parameters()) and all(p.grad is None for p in D.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(before[0], G.parameters(), strict=True))
    after, D_Gz_after = algorithm.update_G(D, G, z, optimizer, loss)
    assert after < value and D_Gz_after > D_Gz


def test_interrupted_anywhere_in_update_G_both_networks_can_go_on():
    """Nothing may be left switched off, wherever Ctrl-C falls."""
    for line in range(1, 30):
        G, D, optimizer_G, optimizer_D = pair()
        x, z, lines = torch.rand(10, 1, 28, 28) * 2 - 1, torch.randn(10, 100), itertools.count(1)

        def stop(frame, event, _, line=line, lines=lines):
            if event == "line" and frame.f_code is algorithm.update_G.__code__ and next(lines) == line:
                raise KeyboardInterrupt
            return stop

        sys.settrace(stop)
        try:
            algorithm.update_G(D, G, z, optimizer_G)
            return  # it has fewer lines
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        assert line < 29
        algorithm.update_D(D, G, x, z, optimizer_D)
        algorithm.update_G(D, G, z, optimizer_G)
        assert all(p.requires_grad for network in (D, G) for p in network.parameters())


def test_an_update_clears_what_an_earlier_half_left():
    """Stale gradients would be added to the new ones."""
    G, D, _, optimizer = pair()
    D.eval()
    x, z = torch.rand(10, 1, 28, 28) * 2 - 1, torch.randn(10, 100)
    for p in D.parameters():
        p.grad = torch.full_like(p, 1e6)
    algorithm.update_D(D, G, x, z, optimizer)
    assert max(p.grad.abs().max() for p in D.parameters()) < 1e3


def test_D_finds_the_optimum_of_two_known_densities():
    """On three points, shares .5 .3 .2 against .2 .2 .6: D* = p_data / (p_data + p_g)."""
    p_data, p_g = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.2, 0.6])
    cells = torch.eye(3)
    x = cells.repeat_interleave((10 * p_data).round().long(), 0)
    z = cells.repeat_interleave((10 * p_g).round().long(), 0)
    D, G = torch.nn.Linear(3, 1), torch.nn.Identity()
    optimizer = torch.optim.Adam(D.parameters(), lr=0.05)
    for _ in range(600):
        loss, *_ = algorithm.update_D(D, G, x, z, optimizer)
    best = p_data / (p_data + p_g)
    torch.testing.assert_close(torch.sigmoid(D(cells)).squeeze(1).detach(), best, atol=1e-3, rtol=0)
    V = (p_data * best.log() + p_g * (1 - best).log()).sum()  # max_D V
    assert -loss.item() == pytest.approx(V.item(), abs=1e-4)


def test_D_finds_the_optimum_of_two_gaussians():
    """N(0, 1) against N(1, 1): the logit of D* is 1/2 − x, exactly linear."""
    torch.manual_seed(0)
    D, G = torch.nn.Linear(1, 1), torch.nn.Identity()
    optimizer = torch.optim.Adam(D.parameters(), lr=0.02)
    for _ in range(400):
        algorithm.update_D(D, G, torch.randn(2000, 1), torch.randn(2000, 1) + 1, optimizer)
    assert D.weight.item() == pytest.approx(-1, abs=0.08)
    assert D.bias.item() == pytest.approx(0.5, abs=0.08)


# ------------------------------------------------------------------------------------------ steps and train


@pytest.mark.parametrize("k", [1, 3])
def test_k_steps_of_D_on_fresh_batches_for_one_of_G(images, k, monkeypatch):
    seen, log = [], []
    real_D, real_G = algorithm.update_D, algorithm.update_G
    monkeypatch.setattr(
        algorithm,
        "update_D",
        lambda D, G, x, *rest: (seen.append(x), log.append("D"), real_D(D, G, x, *rest))[2],
    )
    monkeypatch.setattr(algorithm, "update_G", lambda *given: (log.append("G"), real_G(*given))[1])
    n = iterations_per_epoch(images, k, 10)
    assert n == 120 // (10 * k)
    list(islice(steps(start(k=k, **SMALL), images), n))
    assert "".join(log) == ("D" * k + "G") * n
    x = torch.cat(seen).flatten(1)
    assert len(x.unique(dim=0)) == len(x) == n * k * 10  # no image twice in an epoch


def test_every_epoch_sees_the_images_in_another_order(images, monkeypatch):
    seen = []
    update_D = algorithm.update_D
    monkeypatch.setattr(
        algorithm, "update_D", lambda D, G, x, *rest: (seen.append(x), update_D(D, G, x, *rest))[1]
    )
    list(islice(steps(start(**SMALL), images), 24))
    assert not torch.equal(seen[0], seen[12])


def test_epoch_reports_the_means_of_its_iterations(images):
    run = steps(start(**SMALL), images)
    measured = torch.tensor([[float(value) for value in it] for it in islice(run, 12)])
    (epoch,) = train(images, 1, **SMALL)
    got = torch.tensor([epoch.loss_D, epoch.loss_G, epoch.D_x, epoch.D_Gz])
    torch.testing.assert_close(got, measured.mean(0), rtol=1e-5, atol=1e-6)
    assert epoch.images.shape == (36, 1, 28, 28) and epoch.images.abs().max() <= 1
    assert "epoch 1/1" in str(epoch)


def test_a_seed_repeats_the_run_whatever_happens_between_iterations(images):
    def run(disturb):
        epochs = []
        for epoch in train(images, 2, average=0.9, **SMALL):
            epochs.append(epoch)
            if disturb:
                torch.manual_seed(99)
                torch.randn(7)
        return epochs, weights(epochs[-1].state.G) + weights(epochs[-1].state.sampler())

    outside = torch.get_rng_state()
    (quiet, G1), (noisy, G2) = run(False), run(True)
    assert same(G1, G2) and [e.loss_D for e in quiet] == [e.loss_D for e in noisy]
    assert torch.equal(quiet[1].images, noisy[1].images)
    other = list(train(images, 2, seed=1, average=0.9, **SMALL))
    assert other[1].loss_D != quiet[1].loss_D
    torch.set_rng_state(outside)
    list(train(images, 1, **SMALL))
    assert torch.equal(torch.get_rng_state(), outside)  # nor does a run change anybody else's randomness


def test_a_state_goes_on_where_it_stopped(images):
    whole = list(train(images, 3, average=0.9, decay_from=0.0, **SMALL))[-1]
    *_, half = islice(train(images, 3, average=0.9, decay_from=0.0, **SMALL), 2)
    saved = half.state.state_dict()
    fresh = start(average=0.9, decay_from=0.0, **SMALL)
    fresh.load_state_dict(saved)
    (rest,) = train(images, 3, state=fresh)
    assert rest.epoch == 3 and rest.loss_G == whole.loss_G and torch.equal(rest.images, whole.images)


def test_the_average_is_the_average(images):
    state = start(average=0.5, **SMALL)
    run = steps(state, images)
    expected = [p.clone() for p in weights(state.G)]
    for t in range(20):
        next(run)
        a = min(0.5, (1 + t) / (10 + t))
        expected = [a * mean + (1 - a) * now for mean, now in zip(expected, weights(state.G), strict=True)]
    for mean, now in zip(expected, state.sampler().parameters(), strict=True):
        torch.testing.assert_close(mean, now.detach())
    assert start(average=0.0, **SMALL).G_avg is None


def test_learning_rates_fall_from_their_share_on(images):
    rates = []
    for epoch in train(images, 8, decay_from=0.5, lr_D=1e-3, lr_G=2e-3, **SMALL):
        state = epoch.state
        rates.append((state.optimizer_D.param_groups[0]["lr"], state.optimizer_G.param_groups[0]["lr"]))
    np.testing.assert_allclose([g for _, g in rates], [2 * d for d, _ in rates])
    np.testing.assert_allclose([d for d, _ in rates], 1e-3 * np.array([1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2]))


# ------------------------------------------------------------------------------------- errors and stops


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"k": 0}, "k phải là số nguyên từ 1"),
        ({"k": 1.5}, "k phải là số nguyên từ 1"),
        ({"lr_D": 0}, "lr_D phải là một số dương"),
        ({"lr_G": -1e-4}, "lr_G phải là một số dương"),
        ({"lr_G": float("nan")}, "lr_G phải là một số dương"),
        ({"lr_G": "abc"}, "lr_G phải là một số dương"),
        ({"m": 121}, "Hãy giảm k hoặc m"),
        ({"k": 13}, "Hãy giảm k hoặc m"),
        ({"loss": "wgan"}, "non_saturating"),
        ({"dropout": 1.0}, "dropout"),
        ({"average": 1.0}, "average"),
        ({"seed": -1}, "seed"),
        ({"epochs": 0}, "epochs phải là số nguyên"),
    ],
)
def test_bad_settings_are_refused_before_any_work(images, settings, words):
    with pytest.raises(ValueError, match=words):
        train(images, **{"epochs": 1} | SMALL | settings)  # the call itself: nothing is iterated


def test_an_unknown_setting_is_named(images):
    with pytest.raises(TypeError, match="learning_rate.*lr_D"):
        train(images, 1, learning_rate=0.1)
    with pytest.raises(TypeError, match="state"):
        train(images, 1, state=start(**SMALL), k=2)


def test_a_loss_that_is_not_finite_gives_back_the_last_good_epoch(images):
    state = start(**SMALL)
    run = train(images, 5, state=state)
    first = next(run)
    good = weights(state.G) + weights(state.D)

    def spoil(module, given):
        next(module.parameters()).data.fill_(float("nan"))

    handle = state.D.register_forward_pre_hook(spoil)
    with pytest.warns(RuntimeWarning, match="epoch 2 là NaN.*cuối epoch 1"):
        assert list(run) == []
    handle.remove()
    assert first.epoch == state.epoch == 1
    assert same(good, [*state.G.parameters(), *state.D.parameters()])
    (second,) = train(images, 2, state=state)  # and it can go on
    assert np.isfinite(second.loss_D)


def test_a_huge_learning_rate_ends_with_an_explanation_not_with_nan(images):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        epochs = list(train(images, 4, lr_D=1e38, lr_G=1e38, **SMALL))
    assert any("tốc độ học quá lớn" in str(warning.message) for warning in said)
    assert all(np.isfinite([e.loss_D, e.loss_G]).all() for e in epochs)


def test_stop_keeps_the_epochs_so_far(images):
    state, kept = start(**SMALL), []
    with pytest.warns(RuntimeWarning, match="Đã dừng theo yêu cầu.*cuối epoch 2"):
        for epoch in train(images, 9, state=state):
            kept.append(epoch)
            if epoch.epoch == 2:
                good = weights(state.G)
                calls = iter(range(3))

                def stop(module, given, calls=calls):
                    if next(calls, None) is None:
                        raise KeyboardInterrupt

                state.G.register_forward_pre_hook(stop)
    assert [e.epoch for e in kept] == [1, 2] and state.epoch == 2 and same(good, state.G.parameters())


def test_bf16_is_near_fp32_and_keeps_the_weights_in_fp32(images):
    def measure(precision):
        (epoch,) = train(images, 1, **SMALL | {"precision": precision})
        return epoch

    exact, rough = measure("fp32"), measure("bf16")
    assert {p.dtype for p in rough.state.G.parameters()} == {torch.float32} and "(bf16)" in str(rough)
    assert exact.loss_D != rough.loss_D == pytest.approx(exact.loss_D, rel=0.01)
    torch.testing.assert_close(rough.images, exact.images, atol=0.02, rtol=0)


def test_bf16_uses_the_weights_as_each_step_left_them(images):
    def last_loss(precision):
        given = SMALL | {"precision": precision, "k": 3, "dropout": 0.0, "lr_D": 0.01}
        return next(steps(start(**given), images)).loss_D.item()

    assert last_loss("bf16") == pytest.approx(last_loss("fp32"), rel=0.01)


def test_bf16_twins_hold_the_weights_rounded_after_steps_and_after_loading(images):
    def hold(state):
        pairs = [(state.D, state.fast_D), (state.G, state.fast_G)]
        return all(same([w.bfloat16() for w in weights(n)], t.parameters()) for n, t in pairs)

    state = start(**SMALL | {"precision": "bf16"})
    run = steps(state, images)
    next(run)
    first = state.state_dict()
    next(run)
    assert hold(state) and not same(weights(state.G), state.fast_G.parameters())
    state.load_state_dict(first)
    assert hold(state)


def test_in_fp32_the_networks_themselves_compute(images):
    state = start(**SMALL | {"precision": "fp32"})
    assert state.fast_D is state.D and state.fast_G is state.G


def test_a_joined_pass_of_D_moves_it_as_two_passes_do(images):
    """Without dropout, to rounding; the gradient itself is compared: Adam would blow rounding up."""

    def gradient(joined):
        torch.manual_seed(0)
        G, D = Generator(), Discriminator(dropout=0.0)
        x, z = images.batch(slice(0, 20)), torch.randn(30, 100)
        measured = algorithm.update_D(D, G, x, z, torch.optim.SGD(D.parameters(), lr=0.1), joined=joined)
        return [*measured, *(p.grad for p in D.parameters())]

    torch.testing.assert_close(gradient(True), gradient(False), rtol=1e-4, atol=1e-6)


def test_precision_is_asked_of_the_processor(monkeypatch):
    cpu = torch.device("cpu")
    for capabilities, expected in (
        ({"avx512_bf16": True}, "bf16"),
        ({"avx512_bf16": False}, "fp32"),
        ({}, "fp32"),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda given=capabilities: given, raising=False)
        assert state_module.choose_precision("auto", cpu) == expected
    assert state_module.choose_precision("fp32", cpu) == "fp32"
    with pytest.raises(ValueError, match="precision"):
        state_module.choose_precision("fp16", cpu)


def test_plain_is_the_recipe_without_extras():
    plain = Settings(**PLAIN)
    assert plain.average == 0 and plain.decay_from == 1 and plain.k == 1 and plain.loss == "non_saturating"
    assert plain.lr_D == plain.lr_G and start("cpu", **PLAIN).G_avg is None


def test_float_images_and_other_networks_train_too():
    """As the theory notebook does: points in the plane, networks of one's own."""
    G, D = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
    state = start("cpu", G=G, D=D, latent_dim=2, m=10)
    before = weights(G)
    list(islice(steps(state, torch.randn(100, 2)), 3))
    assert not same(before, G.parameters())
