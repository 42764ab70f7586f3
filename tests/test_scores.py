"""ganlib.scores and ganlib.features against direct float64 numpy and brute force; what they must refuse."""

import json
import math
import types
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from ganlib import data, features, scores
from ganlib.networks import Discriminator, Generator


def images(n, seed=0):
    """n smooth-ish grey images, float32 (n, 784) in [0, 1]."""
    return torch.rand(n, 784, generator=torch.Generator().manual_seed(seed)) ** 3


def direct(samples, test, sigma):
    """The Parzen log-likelihood of each test image, written out in float64: no matrix product, no trick."""
    samples, test = samples.double().numpy(), test.double().numpy()
    values = []
    for x in test:
        exponents = -((x - samples) ** 2).sum(1) / (2 * sigma**2)
        top = exponents.max()
        values.append(top + np.log(np.mean(np.exp(exponents - top))))
    return np.array(values) - samples.shape[1] * np.log(sigma * np.sqrt(2 * np.pi))


def test_log_likelihood_against_float64():
    samples, test, sigmas = images(40), images(7, 1), [0.1, 0.167, 1.0]
    ours = scores.log_likelihood(samples, test, sigmas).numpy()
    np.testing.assert_allclose(ours, [direct(samples, test, s) for s in sigmas], rtol=0, atol=1e-3)


def test_distances_stay_exact_for_near_copies_far_from_zero():
    b = 0.9 + 0.1 * images(30)
    a = b[:10] + 1e-3  # the ‖a‖² that cancels is almost a million times the distance
    exact = (a.double()[:, None] - b.double()).pow(2).sum(2)
    ours = torch.cat(list(scores.squared_distances(a, b)))
    assert exact[0, 0] == pytest.approx(784e-6, rel=1e-3)
    assert float((ours - exact).abs().max()) < 5e-6


def test_parzen_follows_the_protocol(monkeypatch):
    samples, test, validation = images(50), images(30, 1), images(20, 2)
    monkeypatch.setattr(scores, "SELECTION", 12)  # only the first so many validation images choose
    with warnings.catch_warnings():
        warnings.simplefilter("error")
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


def test_chunks_bound_the_memory_and_change_no_result(monkeypatch):
    samples, test = images(40) ** 0.3, images(30, 1)

    def results():
        parzen = scores.log_likelihood(samples, test, [0.2])[0].tolist()
        return [*parzen, *scores.neighbours(samples, test, Fixed()).values()]

    whole = results()
    monkeypatch.setattr(features, "CHUNK", 130)  # 3 rows of 40; a last chunk of one row or two
    assert max(len(rows) for rows in scores.squared_distances(test, samples)) == 3
    assert results() == pytest.approx(whole, abs=1e-3)


def test_what_is_no_image_in_0_to_1_is_refused():
    for bad, message in (
        (2 * images(4) - 1, r"\[0, 1\].*đã nhận từ -1.*\(x \+ 1\) / 2"),
        (255 * images(4), "chia cho 255"),
        (torch.full((4, 784), math.nan), "từ nan"),
        (images(0), r"n ít nhất là 1; đã nhận .*\(0, 784\)"),
        (torch.rand(4, 3, 28, 28), r"đã nhận .*\(4, 3, 28, 28\)"),
    ):
        with pytest.raises(ValueError, match="samples phải.*" + message):
            scores.unit(bad)


def test_every_score_refuses_the_images_of_tanh():
    x, ok, classifier = 2 * images(4) - 1, images(3), Fixed()
    for score, *others in (
        (scores.parzen, ok, ok),
        (scores.nearest, ok),
        (scores.frechet, ok, classifier),
        (scores.neighbours, ok, classifier),
        (scores.class_shares, classifier),
        (scores.sure_share, classifier),
        (scores.against, classifier),
    ):
        with pytest.raises(ValueError, match=r"(samples|real) phải nằm trong \[0, 1\]"):
            score(x, *others)


def test_every_accepted_form_is_the_same_image():
    pixels = torch.randint(0, 256, (5, 28, 28), dtype=torch.uint8)
    expected = (pixels.double() / 255).reshape(5, 784)
    whole = data.Images("mnist", pixels, torch.zeros(5), "sample", "")
    for form in (pixels, whole, (pixels.double() / 255).numpy(), (data.to_float(pixels) + 1) / 2):
        x = scores.unit(form)
        assert x.dtype == torch.float32 and x.shape == (5, 784)
        assert float((x - expected).abs().max()) < 1e-7


class Fixed(nn.Module):
    """A stand-in that reads its logits from the first ten pixels; its features are the first three."""

    def features(self, x):
        return x[:, :3]

    def forward(self, x):
        return 20 * x[:, :10]


def test_shares_by_hand():
    x = torch.zeros(4, 784)
    x[range(4), [0, 0, 3, 9]] = torch.tensor([1, 1, 1, 0.2])  # softmax 1.000, and e⁴/(e⁴ + 9) = 0.858
    assert scores.class_shares(x, Fixed()).tolist() == [0.5, 0, 0, 0.25, 0, 0, 0, 0, 0, 0.25]
    assert scores.sure_share(x, Fixed()) == 0.75


def test_kl_by_hand():
    p, q = [0.5, 0.5, 0.0], [0.25, 0.25, 0.5]
    assert scores.kl(p, q) == pytest.approx(math.log(2))  # the class that G never draws adds 0
    assert scores.kl(q, p) == math.inf  # a class that only q draws
    a, b = [0.1, 0.9], [0.4, 0.6]
    assert scores.kl(a, b) == pytest.approx(0.1 * math.log(0.1 / 0.4) + 0.9 * math.log(0.9 / 0.6))
    for wrong in [0.5, 0.25, 0.25], [0.5, 0.4], [5, 5], [1.5, -0.5], [math.nan, 1]:
        with pytest.raises(ValueError, match="tổng bằng 1"):
            scores.kl([0.5, 0.5], wrong)


def test_frechet_against_float64():
    a, b = images(60), images(80, 1) ** 2
    f, g = (Fixed().features(x).double().numpy() for x in (a, b))
    cov_f, cov_g = np.cov(f, rowvar=False), np.cov(g, rowvar=False)
    root = np.sqrt(np.linalg.eigvals(cov_f @ cov_g)).real.sum()  # tr (C_f C_g)^½, Heusel's form
    expected = ((f.mean(0) - g.mean(0)) ** 2).sum() + np.trace(cov_f) + np.trace(cov_g) - 2 * root
    assert scores.frechet(a, b, Fixed()) == pytest.approx(expected, rel=1e-6)
    assert scores.frechet(a, a.flip(0), Fixed()) == pytest.approx(0, abs=1e-9)


def test_nearest_against_brute_force():
    samples, train = images(9), images(40, 1)
    train[17] = samples[4]
    exact = (samples.double()[:, None] - train.double()).pow(2).sum(2).sqrt().numpy()
    indices, distances = scores.nearest(samples, train, 3)
    order = np.argsort(exact, 1)[:, :3]
    assert indices.numpy().tolist() == order.tolist()
    np.testing.assert_allclose(distances.numpy(), np.take_along_axis(exact, order, 1), rtol=1e-5)
    assert indices[4, 0] == 17 and distances[4, 0] == 0  # a copy
    with pytest.raises(ValueError, match="k phải là số nguyên từ 1 đến 40"):
        scores.nearest(samples, train, 41)


def test_shipped_classifiers(sample_only, tmp_path):
    for name, stated, at_least, sure in ("mnist", 0.984, 0.97, 0.95), ("fashion", 0.89, 0.86, 0.69):
        classifier, test = scores.load_classifier(name), data.load(name, train=False)
        assert not classifier.training and stated <= classifier.accuracy < 1
        right = classifier(scores.unit(test)).argmax(1) == test.labels
        assert right.double().mean() >= at_least
        assert scores.kl(scores.class_shares(test, classifier), [0.1] * 10) < 0.005  # ten equal classes
        assert scores.sure_share(test, classifier) > sure
        assert scores.sure_share(images(100), classifier) < 0.6  # noise is no class
    with pytest.raises(data.DataError, match="tệp missing. Hãy lấy lại"):
        scores.load_classifier("mnist", tmp_path / "missing")


def test_neighbours_against_brute_force():
    """Kynkäänniemi et al. 2019 and Naeem et al. 2020, written out."""
    samples, real = images(30) ** 0.3, images(40, 1)
    a, b = (Fixed().features(x).double().numpy() for x in (samples, real))
    apart = np.linalg.norm(a[:, None] - b, axis=2)  # (30, 40)
    for k in (1, 5):
        r_a, r_b = (np.sort(np.linalg.norm(x[:, None] - x, axis=2))[:, k] for x in (a, b))
        expected = {
            "precision": (apart <= r_b).any(1).mean(),
            "recall": (apart <= r_a[:, None]).any(0).mean(),
            "density": (apart <= r_b).sum(1).mean() / k,
            "coverage": (apart.min(0) <= r_b).mean(),
        }
        found = scores.neighbours(samples, real, Fixed(), k)
        assert found == pytest.approx(expected) and list(found) == list(expected)
        assert 0 < min(found.values()) < 1  # a case in which something lies outside
    for few in (real[:5], real[:1]):
        with pytest.raises(ValueError, match="k phải là số nguyên"):
            scores.neighbours(samples, few, Fixed())


def test_against_is_the_single_functions():
    samples, real, classifier = images(60), images(80, 1) ** 2, features.Classifier().eval()
    expected = {"frechet": scores.frechet(samples, real, classifier)}
    expected |= scores.neighbours(samples, real, classifier)
    expected["sure"] = scores.sure_share(samples, classifier)
    expected["kl"] = scores.kl(*(scores.class_shares(x, classifier) for x in (samples, real)))
    measures = scores.against(real, classifier)
    for found in (measures(samples), measures(samples)):  # the real images stay as they were
        assert found == pytest.approx(expected, rel=1e-9) and list(found) == list(expected)


def test_scores_are_taken_over_draws_of_their_own_noise():
    """The mean and the standard deviation; nothing outside notices that they draw."""
    G, means = Generator(20, (8,)), []

    def measures(x):
        means.append(float(x.mean()))
        return {"mean": means[-1]}

    before = torch.get_rng_state()
    found = scores.over_draws(G, measures, 3)
    assert torch.equal(torch.get_rng_state(), before)
    z = (torch.randn(10_000, 20, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2, 3))
    assert means == pytest.approx([float((G(one).detach() + 1).mean() / 2) for one in z], abs=1e-6)
    assert found == pytest.approx({"mean": np.mean(means), "mean_sd": np.std(means, ddof=1)})


def test_floor_is_of_real_training_images(sample_only):
    train, seen = data.load("mnist").pixels, []
    found = scores.floor("mnist", lambda x: seen.append(x) or {"n": len(x)}, 2)
    assert found == {"n": len(train) // 2, "n_sd": 0} and not torch.equal(*seen)
    known = {x.numpy().tobytes() for x in train}
    assert all(x.numpy().tobytes() in known for x in seen[0][:50])


@pytest.fixture
def few(sample_only, few_samples, monkeypatch):
    """A quick protocol: 400 samples, 10 images that choose σ, 300 test images, which this returns."""
    few = data.load("mnist", train=False).pixels[:310]
    monkeypatch.setattr(scores, "held_out", lambda name: (few[:10], few[10:], False))
    return few[10:]


@pytest.mark.filterwarnings("ignore:σ")
def test_score_all(few):
    classifier, G = scores.load_classifier("mnist"), Generator(20, (8,))
    found = scores.score_all(G, "mnist")
    assert json.loads(json.dumps(found)) == found and all(map(math.isfinite, found.values()))
    seven = ["frechet", "precision", "recall", "density", "coverage", "sure", "kl"]
    names = ["parzen", "parzen_se", "sigma", *seven, *(f"{name}_sd" for name in seven), "comparable"]
    assert list(found) == names and found["comparable"] is False
    assert found["parzen"] == scores.parzen(scores.draw(G), few, scores.held_out("mnist")[0]).mean
    two = [scores.frechet(scores.draw(G, seed), few, classifier) for seed in (1, 2)]
    assert found["frechet"] == pytest.approx(sum(two) / 2, rel=1e-9)
    assert found["frechet_sd"] == pytest.approx(abs(two[0] - two[1]) / math.sqrt(2), rel=1e-6)


@pytest.mark.filterwarnings("ignore:σ")
def test_scorer_scores_what_is_shown_and_asks_d(few):
    classifier = scores.load_classifier("mnist")
    shown, D = Generator(20, (8,)), Discriminator((8,), 0.5)
    state = types.SimpleNamespace(D=D, sampler=lambda: shown, device=torch.device("cpu"))
    found = scores.scorer("mnist")(state)
    right = scores.over_draws(shown, scores.against(few, classifier))
    assert {key: found[key] for key in right} == right and "parzen" in found
    assert D.training  # asked without Dropout, then as it was
    for key, pixels in ("D_train", data.load("mnist").pixels[:10_000]), ("D_test", few):
        with torch.no_grad():
            answers = torch.sigmoid(D.eval()(data.to_float(pixels)))
        assert found[key] == pytest.approx(float(answers.mean()), rel=1e-6)


def test_what_is_held_out_of_the_sample_and_of_the_full_set(sample_only, monkeypatch):
    """The sample's Parzen does not stand beside the paper's."""
    train = data.load("mnist").pixels
    validation, test, full = scores.held_out("mnist")
    assert not full and torch.equal(validation, train[-1_000:]) and len(test) == 1_000
    assert 140 < scores.likelihood(train[:2_000], test, validation)["parzen"] < 177  # of real images

    def load(name, train=True):
        pixels = torch.arange(60_000 if train else 10_000)
        return data.Images(name, pixels, pixels, "cache", "")

    monkeypatch.setattr(data, "load", load)
    validation, test, full = scores.held_out("mnist")
    assert full and len(test) == 10_000 and validation.tolist() == list(range(50_000, 51_000))
