"""ganlib.scores against float64 numpy and brute force, what it refuses, and whom it asks in which mode."""

import hashlib
import math
import types

import numpy as np
import pytest
import torch
from conftest import same
from torch import nn

from ganlib import data, scores
from ganlib.networks import Discriminator, Generator


def images(n, seed=0):
    """n smooth-ish grey images, float32 (n, 784) in [0, 1]."""
    return torch.rand(n, 784, generator=torch.Generator().manual_seed(seed)) ** 3


FEW = types.SimpleNamespace(features=lambda x: x[:, :3])  # a stand-in for a classifier: the first pixels


def logits(x):
    return 20 * x[:, :10]


def apart(a, b):
    """‖a_i − b_j‖ in float64: no matrix product, no trick."""
    return (a.double()[:, None] - b.double()).norm(dim=2).numpy()


def direct(samples, test, sigma):
    """The Parzen log-likelihood of each test image, written out."""
    exponents = -(apart(test, samples) ** 2) / (2 * sigma**2)
    top = exponents.max(1)
    values = top + np.log(np.exp(exponents - top[:, None]).mean(1))
    return values - samples.shape[1] * np.log(sigma * np.sqrt(2 * np.pi))


@pytest.fixture
def in_chunks(monkeypatch):
    """Few distances are held at once: some rows, and a last chunk of fewer."""
    monkeypatch.setattr(scores, "CHUNK", 210)


@pytest.mark.filterwarnings("error")
def test_parzen_follows_the_protocol(monkeypatch, in_chunks):
    samples, test, validation = images(50), images(30, 1), images(20, 2)
    monkeypatch.setattr(scores, "SELECTION", 12)  # only the first so many validation images choose
    result = scores.parzen(samples, test, validation)
    assert list(result.curve) == pytest.approx(np.logspace(-1, 0, 10))
    for sigma, mean in result.curve.items():
        assert mean == pytest.approx(direct(samples, validation[:12], sigma).mean(), abs=1e-3)
    assert result.sigma == max(result.curve, key=result.curve.get)
    expected = direct(samples, test, result.sigma)
    assert result.mean == pytest.approx(expected.mean(), abs=1e-3)
    assert result.standard_error == pytest.approx(expected.std(ddof=1) / math.sqrt(30), rel=1e-4)
    for grid, edge in ([0.5, 0.7, 1.0], 0.5), ([0.01, 0.02, 0.03], 0.03):
        with pytest.warns(UserWarning, match="mép của lưới"):
            assert scores.parzen(samples, test, validation, grid).sigma == edge


def test_distances_stay_exact_for_near_copies_far_from_zero(in_chunks):
    b = 0.9 + 0.1 * images(30)
    a = b[:10] + 1e-3  # the ‖a‖² that cancels is almost a million times the distance
    chunks, exact = list(scores.squared_distances(a, b)), apart(a, b) ** 2
    assert [len(rows) for rows in chunks] == [7, 3]
    assert exact[0, 0] == pytest.approx(784e-6, rel=1e-3) and np.abs(torch.cat(chunks).numpy() - exact).max() < 5e-6


def test_nearest_against_brute_force(in_chunks):
    samples, train = images(9), images(40, 1)
    train[17] = samples[4]
    exact, (indices, distances) = apart(samples, train), scores.nearest(samples, train, 3)
    assert indices.tolist() == np.argsort(exact, 1)[:, :3].tolist()
    np.testing.assert_allclose(distances, np.sort(exact, 1)[:, :3], rtol=1e-5)
    assert indices[4, 0] == 17 and distances[4, 0] == 0  # a copy


@pytest.mark.parametrize("k", [1, 5])
def test_neighbours_against_brute_force(k, in_chunks):
    """Kynkäänniemi et al. 2019 and Naeem et al. 2020, written out."""
    a, b = images(30)[:, :3] ** 0.3, images(40, 1)[:, :3]
    between, (r_a, r_b) = apart(a, b), (np.sort(apart(x, x))[:, k] for x in (a, b))
    expected = {
        "precision": (between <= r_b).any(1).mean(),
        "recall": (between <= r_a[:, None]).any(0).mean(),
        "density": (between <= r_b).sum(1).mean() / k,
        "coverage": (between.min(0) <= r_b).mean(),
    }
    found = scores.neighbours(a, b, k)
    assert found == pytest.approx(expected) and list(found) == list(expected)
    assert 0 < min(found.values()) < 1  # a case in which something lies outside


def test_frechet_against_float64():
    a, b = images(60), images(80, 1) ** 2
    f, g = (x[:, :3].double().numpy() for x in (a, b))
    cov_f, cov_g = np.cov(f, rowvar=False), np.cov(g, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(cov_f @ cov_g)).real.sum()  # tr (C_f C_g)^½, Heusel's form
    expected = ((f.mean(0) - g.mean(0)) ** 2).sum() + np.trace(cov_f) + np.trace(cov_g) - 2 * root
    assert scores.frechet(a, b, FEW) == pytest.approx(expected, rel=1e-6)
    assert scores.frechet(a, a.flip(0), FEW) == pytest.approx(0, abs=1e-9)


def test_shares_and_kl_by_hand():
    x = torch.zeros(4, 784)
    x[range(4), [0, 0, 3, 9]] = torch.tensor([1, 1, 1, 0.2])  # softmax 1.000, and e⁴/(e⁴ + 9) = 0.858
    assert scores.class_shares(x, logits).tolist() == [0.5, 0, 0, 0.25, 0, 0, 0, 0, 0, 0.25]
    assert scores.sure_share(x, logits) == 0.75
    p, q = torch.tensor([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]], dtype=torch.float64)
    assert scores.kl(p, q) == pytest.approx(math.log(2))  # the class that G never draws adds 0
    assert scores.kl(q, p) == math.inf  # a class that only q draws


def test_against_is_the_single_functions():
    samples, real, classifier = images(60), images(80, 1) ** 2, scores.Classifier().eval()
    features = [classifier.features(x).detach() for x in (samples, real)]
    expected = {"frechet": scores.frechet(samples, real, classifier)} | scores.neighbours(*features)
    expected["sure"] = scores.sure_share(samples, classifier)
    expected["kl"] = scores.kl(*(scores.class_shares(x, classifier) for x in (samples, real)))
    measures = scores.against(real, classifier)
    for found in (measures(samples), measures(samples)):  # the real images stay as they were
        assert found == pytest.approx(expected, rel=1e-9) and list(found) == list(expected)


def test_what_is_no_grey_image_in_0_to_1_is_refused():
    for bad, message in (
        (2 * images(4) - 1, r"\[0, 1\]; đã nhận từ -1.*\(x \+ 1\) / 2"),
        (255 * images(4), "chia cho 255"),
        (torch.full((4, 784), math.nan), "từ nan"),
        (images(0), r"n ≥ 1; đã nhận \(0, 784\)"),
        (torch.rand(4, 3, 28, 28), r"ảnh xám .*đã nhận \(4, 3, 28, 28\)"),
    ):
        with pytest.raises(ValueError, match=message):
            scores.frechet(images(4), bad, FEW)


def test_every_accepted_form_is_the_same_image():
    pixels = torch.randint(0, 256, (5, 28, 28), dtype=torch.uint8)
    exact, whole = pixels.double() / 255, data.Images("mnist", pixels, torch.zeros(5))
    for form in (pixels, whole, exact.numpy(), (data.to_float(pixels) + 1) / 2):
        torch.testing.assert_close(scores.unit(form), exact.flatten(1).float(), atol=1e-7, rtol=0)


def own(latent_dim, *shape):
    """A G of a reader's own, without `latent_dim`: BatchNorm, and one layer that is asleep."""
    n = math.prod(shape)
    layers = nn.Linear(latent_dim, n), nn.BatchNorm1d(n), nn.Dropout(0.5).eval(), nn.Tanh()
    return nn.Sequential(*layers, nn.Unflatten(1, shape))


def test_a_G_of_your_own_is_asked_in_eval_mode_and_put_back():
    G = own(7, 1, 28, 28)
    before = [value.clone() for value in G.state_dict().values()]
    x = scores.draw(G, 3, latent_dim=7)
    assert [layer.training for layer in G] == [True, True, False, True, True]
    assert same(before, G.state_dict().values())
    z = torch.randn(10_000, 7, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert torch.allclose(x, (G.eval()(z)[:, 0] + 1) / 2, atol=1e-6)
    assert scores.draw(own(100, 28, 28)).shape == (10_000, 28, 28)  # 100: where G says nothing else


def test_a_G_of_another_z_or_size_gets_a_sentence():
    with pytest.raises(ValueError, match=r"z có hình dạng \(m, 100\): hãy truyền latent_dim="):
        scores.draw(own(7, 1, 28, 28))
    with pytest.raises(ValueError, match=r"ảnh xám .*đã nhận \(10000, 1, 16, 49\)"):
        scores.draw(own(100, 1, 16, 49))  # as many numbers


def test_scores_are_taken_over_draws_of_their_own_noise():
    """The mean and the standard deviation; nothing outside notices that they draw."""
    G, before = Generator(20, (8,)), torch.get_rng_state()
    found = scores.over_draws(G, lambda x: {"mean": float(x.mean())}, 3)
    assert torch.equal(torch.get_rng_state(), before)
    means = [float(scores.draw(G, seed).mean()) for seed in (1, 2, 3)]
    assert found == pytest.approx({"mean": np.mean(means), "mean_sd": np.std(means, ddof=1)})


def test_the_floor_is_of_real_images_drawn_anew():
    train, seen = data.load("fashion").pixels, []
    assert torch.equal(scores.held_out("fashion")[0], train[50_000:51_000])
    scores.floor("fashion", lambda x: seen.append(x) or {"n": len(x)}, 2)
    assert [len(x) for x in seen] == [10_000, 10_000] and not torch.equal(*seen)
    known = {x.numpy().tobytes() for x in train}
    assert all(x.numpy().tobytes() in known for x in seen[1][:50])


@pytest.mark.parametrize("name, stated, sure", [("mnist", 0.985, 0.95), ("fashion", 0.89, 0.69)])
def test_shipped_classifiers(name, stated, sure):
    classifier, test = scores.load_classifier(name), data.load(name, train=False)
    right = (classifier(scores.unit(test)).argmax(1) == test.labels).double().mean()
    assert not classifier.training and right == pytest.approx(classifier.accuracy, abs=2e-4)
    assert classifier.accuracy > stated and scores.sure_share(test, classifier) > sure
    assert scores.sure_share(images(100), classifier) < 0.6  # noise is no class


@pytest.mark.filterwarnings("ignore:σ")
def test_scorer_scores_what_is_shown_and_asks_D(few_samples):
    (validation, test), shown, D = scores.held_out("mnist"), Generator(20, (8,)), Discriminator((8,), 0.5)
    found = scores.scorer("mnist")(types.SimpleNamespace(D=D, sampler=lambda: shown, device="cpu"))
    assert D.training and all(type(value) is float and math.isfinite(value) for value in found.values())
    expected = scores.over_draws(shown, scores.against(test, scores.load_classifier("mnist")))
    assert list(found) == ["parzen", "parzen_se", "sigma", *expected, "D_train", "D_test"]
    expected["parzen"] = scores.parzen(scores.draw(shown), test, validation).mean
    for key, pixels in ("D_train", data.load("mnist").pixels[:10_000]), ("D_test", test):
        expected[key] = float(D.eval()(data.to_float(pixels)).detach().sigmoid().mean())  # without Dropout
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-6)


def test_shipped_files_are_those_that_are_stated():
    """ganlib/assets/SHA256SUMS names each image set, recording and classifier, and only what is there."""
    there = [path for path in data.ASSETS.rglob("*") if path.suffix in (".xz", ".pt")]
    sums = [(hashlib.sha256(path.read_bytes()).hexdigest(), path.relative_to(data.ASSETS)) for path in there]
    stated = (data.ASSETS / "SHA256SUMS").read_text().splitlines()
    assert sorted(stated) == sorted(f"{digest}  {name.as_posix()}" for digest, name in sums)
