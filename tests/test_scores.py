"""ganlib.scores against direct float64 numpy on small cases, closed forms, and what it must refuse."""

import itertools
import json
import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ganlib import data, scores


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


@pytest.fixture
def sample_only(tmp_path, monkeypatch):
    """The shipped sample is the only data at hand."""
    monkeypatch.delenv("GANLIB_DATA", raising=False)
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(data, "_failures", {"mnist": "không có mạng", "fashion": "không có mạng"})


# ----------------------------------------------------------------------------------------------- Parzen


@pytest.mark.parametrize("sigma", [0.1, 0.167, 1.0])
def test_log_likelihood_against_float64(sigma):
    samples, test = images(40), images(7, 1)
    ours = scores.log_likelihood(samples, test, [sigma])
    assert ours.dtype == torch.float64 and ours.shape == (1, 7)
    np.testing.assert_allclose(ours[0].numpy(), direct(samples, test, sigma), rtol=0, atol=1e-3)


def test_the_constant():
    # a sample that is the test image itself and another infinitely far in σ's: log(1/2) − 784 log(σ√(2π))
    samples = torch.stack([torch.zeros(784), torch.ones(784)])
    ours = float(scores.log_likelihood(samples, samples[:1], [0.1])[0, 0])
    assert ours == pytest.approx(math.log(0.5) - 784 * math.log(0.1 * math.sqrt(2 * math.pi)), abs=1e-4)


def test_distances_stay_exact_for_near_copies_far_from_zero():
    b = 0.9 + 0.1 * images(30)
    a = b[:10] + 1e-3
    exact = (a.double()[:, None] - b.double()).pow(2).sum(2)
    ours = torch.cat(list(scores.squared_distances(a, b)))
    assert exact[0, 0] == pytest.approx(
        784e-6, rel=1e-3
    )  # the ‖a‖² that cancels is almost a million times that
    assert float((ours - exact).abs().max()) < 5e-6


def test_autocast_changes_nothing():
    samples, test = images(20), images(5, 1)
    plain = scores.log_likelihood(samples, test, [0.1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(scores.log_likelihood(samples, test, [0.1]), plain)


def test_parzen_follows_the_protocol():
    samples, test, validation = images(50), images(30, 1), images(20, 2)
    result = scores.parzen(samples, test, validation)
    assert list(result.curve) == pytest.approx(np.logspace(-1, 0, 10))
    for sigma, mean in result.curve.items():
        assert mean == pytest.approx(direct(samples, validation, sigma).mean(), abs=1e-3)
    best = max(result.curve, key=result.curve.get)
    expected = direct(samples, test, best)
    assert result.sigma == best and not result.at_edge
    assert result.mean == pytest.approx(expected.mean(), abs=1e-3)
    assert result.standard_error == pytest.approx(expected.std(ddof=1) / math.sqrt(30), rel=1e-4)


def test_only_the_first_thousand_validation_images_choose(monkeypatch):
    samples, test, validation = images(20), images(10, 1), images(8, 2)
    monkeypatch.setattr(scores, "SELECTION", 5)
    assert (
        scores.parzen(samples, test, validation).curve == scores.parzen(samples, test, validation[:5]).curve
    )


def test_one_given_sigma_needs_no_validation():
    result = scores.parzen(images(20), images(10, 1), sigmas=[0.3])
    assert (result.sigma, result.curve, result.at_edge) == (0.3, {}, False)


def test_chunks_change_no_result(monkeypatch):
    samples, test, train = images(40), images(30, 1), images(50, 2)

    def results():
        found = scores.parzen(samples, test, train)
        return [found.mean, *found.curve.values(), *scores.nearest(samples, train, k=3)[1].flatten().tolist()]

    whole = results()
    monkeypatch.setattr(scores, "CHUNK", 130)  # 3 rows of 40; a last chunk of one row or two
    assert results() == pytest.approx(whole, abs=1e-4)


def test_scoring_in_minus_one_to_one_costs_543_nats():
    samples, test = images(40), images(30, 1)
    right = scores.log_likelihood(samples, test, [0.2])
    wrong = scores.log_likelihood(2 * samples - 1, 2 * test - 1, [0.4])  # everything doubled, σ too
    assert float((wrong - right).mean()) == pytest.approx(-784 * math.log(2), abs=1e-3)
    assert 784 * math.log(2) == pytest.approx(543.4, abs=0.05)


@pytest.mark.parametrize(("grid", "edge"), [([0.5, 0.7, 1.0], 0.5), ([0.01, 0.02, 0.03], 0.03)])
def test_sigma_at_the_edge_warns(grid, edge):
    with pytest.warns(UserWarning, match="mép của lưới"):
        result = scores.parzen(images(30), images(20, 1), images(10, 2), grid)
    assert result.at_edge and result.sigma == edge


def test_sigma_inside_the_grid_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not scores.parzen(images(30), images(20, 1), images(10, 2)).at_edge


@pytest.mark.parametrize(
    ("sigmas", "message"),
    [
        ([], "dãy số dương"),
        ([0.0], "dãy số dương"),
        ([-1], "dãy số dương"),
        ([math.nan], "dãy số dương"),
        ([0.1, 0.2], "nhìn trước đáp án"),
    ],
)
def test_parzen_refuses_sigmas(sigmas, message):
    with pytest.raises(ValueError, match=message):
        scores.parzen(images(3), images(3), sigmas=sigmas)


def test_real_images_as_samples(sample_only):
    for name, low, high, sigma in ("mnist", 155, 177, 0.215), ("fashion", 300, 325, 0.167):
        validation, test, full = scores.held_out(name)
        train = data.load(name).pixels
        assert not full and torch.equal(validation, train[-1_000:]) and len(test) == 1_000
        result = scores.parzen(train[:4_000], test[:500], validation[:200])
        assert low < result.mean < high and result.sigma == pytest.approx(sigma, abs=0.001)


def test_memory_is_bounded():
    # 2,500 × 20,000 distances would be 200 MB in float32, and logsumexp wants as much again
    code = (
        "import resource, torch\n"
        "from ganlib import scores\n"
        "a, b = torch.rand(2_500, 784), torch.rand(20_000, 784)\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "scores.parzen(b[:10], a[:10], sigmas=[0.2])\n"
        "before = peak()\n"
        "scores.parzen(b, a, sigmas=[0.2])\n"
        "print(peak() - before)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(run.stdout) * unit < 450e6  # the images centred, their squares, and the chunks: about 340


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:σ")
def test_ten_thousand_samples_and_ten_thousand_images():
    code = (
        "import resource, time, torch\n"
        "from ganlib import scores\n"
        "torch.set_num_threads(2)\n"
        "a, b = torch.rand(10_000, 784), torch.rand(10_000, 784)\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before, wall, cpu = peak(), time.perf_counter(), time.process_time()\n"
        "scores.parzen(b, a, b[:1_000])\n"
        "print(peak() - before, time.perf_counter() - wall, time.process_time() - cpu)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    memory, wall, cpu = map(float, run.stdout.split())
    memory *= 1 if sys.platform == "darwin" else 1024
    print(f"\n{memory / 1e6:.0f} MB above the imports, {wall:.1f} s, {cpu:.1f} s of two cores together")
    assert memory < 1e9 and cpu < 2 * 15  # the wall's time depends on what else the machine does


# ------------------------------------------------------------------------------------------------ inputs

BAD = {
    "tanh": (lambda: 2 * images(4) - 1, r"\[0, 1\].*Tanh.*\(x \+ 1\) / 2.*543\.4"),
    "bytes as floats": (lambda: 255 * images(4), "chia cho 255"),
    "NaN": (lambda: images(4).fill_(math.nan), "NaN"),
    "infinite": (lambda: images(4).fill_(math.inf), "vô hạn"),
    "one sample": (lambda: images(1), "ít nhất 2 ảnh; đã nhận 1"),
    "no sample": (lambda: images(0), "ít nhất 2 ảnh; đã nhận 0"),
    "one image without an axis": (lambda: images(1)[0], r"kích thước.*đã nhận \(784,\)"),
    "colour": (lambda: torch.rand(4, 3, 28, 28), r"\(4, 3, 28, 28\)"),
    "other size": (lambda: torch.rand(4, 32, 32), r"\(4, 32, 32\)"),
}
SCORES = {
    "parzen": lambda x: scores.parzen(x, images(3), images(3)),
    "parzen's test": lambda x: scores.parzen(images(3), x, images(3)),
    "parzen's validation": lambda x: scores.parzen(images(3), images(3), x),
    "frechet": lambda x: scores.frechet(x, images(3), scores.Classifier()),
    "frechet's real": lambda x: scores.frechet(images(3), x, scores.Classifier()),
    "class_shares": lambda x: scores.class_shares(x, scores.Classifier()),
    "sure_share": lambda x: scores.sure_share(x, scores.Classifier()),
    "score_all": lambda x: scores.score_all(x, "mnist"),
}


@pytest.mark.parametrize(("bad", "score"), list(itertools.product(BAD, SCORES)))
def test_scores_refuse(bad, score):
    make, message = BAD[bad]
    with pytest.raises(ValueError, match=message):
        SCORES[score](make())


@pytest.mark.parametrize("bad", ["tanh", "bytes as floats", "NaN", "colour", "other size"])
def test_nearest_refuses(bad):
    make, message = BAD[bad]
    with pytest.raises(ValueError, match="samples.*" + message):
        scores.nearest(make(), images(3))
    with pytest.raises(ValueError, match="train.*" + message):
        scores.nearest(images(3), make())


def test_every_accepted_form_is_the_same_image():
    pixels = torch.randint(0, 256, (5, 28, 28), dtype=torch.uint8)
    expected = (pixels.double() / 255).reshape(5, 784)
    whole = data.Images("mnist", pixels, torch.zeros(5), "sample", "")
    forms = [
        pixels,
        pixels[:, None],
        whole,
        pixels / 255,
        (pixels.double() / 255).numpy(),
        data.to_float(pixels),
    ]
    forms[-1] = (forms[-1] + 1) / 2  # as G's images come
    for form in forms:
        x = scores.unit(form)
        assert x.dtype == torch.float32 and x.shape == (5, 784)
        assert float((x - expected).abs().max()) < 1e-7


def test_the_caller_keeps_images_and_graph():
    x = images(4).requires_grad_()
    before = x.detach().clone()
    scores.parzen(x, images(3), sigmas=[0.2])
    assert torch.equal(x, before) and not scores.unit(x).requires_grad


# ------------------------------------------------------------------------------------------- classifier


class Fixed(nn.Module):
    """A stand-in that reads its logits from the first ten pixels; its features are the first three."""

    def features(self, x):
        return x[:, :3]

    def forward(self, x):
        return 20 * x[:, :10]


def one_hot(classes, confidence=1.0):
    x = torch.zeros(len(classes), 784)
    x[range(len(classes)), classes] = confidence
    return x


def test_class_shares_by_hand():
    shares = scores.class_shares(one_hot([0, 0, 3, 9]), Fixed())
    assert shares.dtype == torch.float64
    assert shares.tolist() == [0.5, 0, 0, 0.25, 0, 0, 0, 0, 0, 0.25]


def test_sure_share_by_hand():
    x = torch.cat([one_hot([1, 2, 3]), one_hot([4], confidence=0.2)])  # softmax 1.000 and e⁴/(e⁴ + 9) = 0.858
    assert scores.sure_share(x, Fixed()) == 0.75
    assert scores.sure_share(x, Fixed(), threshold=0.85) == 1
    assert scores.sure_share(x, Fixed(), threshold=0.86) == 0.75


def test_kl_by_hand():
    p, q = [0.5, 0.5, 0.0], [0.25, 0.25, 0.5]
    assert scores.kl(p, q) == pytest.approx(math.log(2))  # the class that G never draws adds 0
    assert scores.kl(q, p) == math.inf  # a class that only q draws
    assert scores.kl(p, p) == 0
    a, b = [0.1, 0.9], [0.4, 0.6]
    assert scores.kl(a, b) == pytest.approx(0.1 * math.log(0.1 / 0.4) + 0.9 * math.log(0.9 / 0.6))
    assert scores.kl(a, b) != pytest.approx(scores.kl(b, a))


@pytest.mark.parametrize(
    ("p", "q"),
    [
        ([0.5, 0.5], [0.5, 0.25, 0.25]),
        ([0.5, 0.4], [0.5, 0.5]),
        ([0.5, 0.5], [5, 5]),
        ([1.5, -0.5], [0.5, 0.5]),
        ([math.nan, 1], [0.5, 0.5]),
        ([[0.5, 0.5]], [[0.5, 0.5]]),
    ],
)
def test_kl_refuses(p, q):
    with pytest.raises(ValueError, match="tổng bằng 1"):
        scores.kl(p, q)


def gaussian(seed, d=5):
    random = np.random.RandomState(seed)
    root = random.randn(d, d)
    return random.randn(d), root @ root.T


def test_frechet_closed_forms():
    mean, cov = map(torch.tensor, gaussian(0))
    assert scores.frechet_gaussians(mean, cov, mean, cov) == pytest.approx(0, abs=1e-6)
    shift = torch.tensor([3.0, 4, 0, 0, 0], dtype=torch.float64)
    assert scores.frechet_gaussians(mean, cov, mean + shift, cov) == pytest.approx(25)
    a, b = (torch.tensor(v, dtype=torch.float64) for v in ([4.0, 9, 0, 1, 2], [1.0, 16, 5, 0, 2]))
    expected = float(((a.sqrt() - b.sqrt()) ** 2).sum())
    assert scores.frechet_gaussians(mean, a.diag(), mean, b.diag()) == pytest.approx(expected)


def test_frechet_against_the_square_root_of_the_product():
    (mean_a, cov_a), (mean_b, cov_b) = gaussian(1), gaussian(2)
    root = np.sqrt(np.linalg.eigvals(cov_a @ cov_b)).real.sum()  # tr (S_a S_b)^½, Heusel's form
    expected = ((mean_a - mean_b) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * root
    ours = scores.frechet_gaussians(*map(torch.tensor, (mean_a, cov_a, mean_b, cov_b)))
    assert ours == pytest.approx(expected) and ours == pytest.approx(
        scores.frechet_gaussians(*map(torch.tensor, (mean_b, cov_b, mean_a, cov_a)))
    )


def test_frechet_fits_means_and_covariances():
    a, b = images(60), images(80, 1) ** 2
    fits = [
        (x.mean(0), np.cov(x, rowvar=False)) for x in (a[:, :3].double().numpy(), b[:, :3].double().numpy())
    ]
    expected = scores.frechet_gaussians(*(torch.tensor(part) for fit in fits for part in fit))
    assert expected > 0.01
    assert scores.frechet(a, b, Fixed()) == pytest.approx(expected, rel=1e-9)
    assert scores.frechet(a, a.flip(0), Fixed()) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("k", [1, 3])
def test_nearest_against_brute_force(k):
    samples, train = images(9), images(40, 1)
    train[17] = samples[4]
    exact = (samples.double()[:, None] - train.double()).pow(2).sum(2).sqrt().numpy()
    indices, distances = scores.nearest(samples, train, k)
    order = np.argsort(exact, 1)[:, :k]
    assert indices.numpy().tolist() == order.tolist()
    np.testing.assert_allclose(distances.numpy(), np.take_along_axis(exact, order, 1), rtol=1e-5)
    assert indices[4, 0] == 17 and distances[4, 0] == 0  # a copy
    assert scores.nearest(samples[:1], train)[0].shape == (1, 1)


@pytest.mark.parametrize("k", [0, 4])
def test_nearest_refuses_k(k):
    with pytest.raises(ValueError, match=r"ảnh huấn luyện \(3\)"):
        scores.nearest(images(2), images(3), k)


# ------------------------------------------------------------------------------------ the shipped classifiers


@pytest.mark.parametrize(
    ("name", "stated", "at_least", "sure"), [("mnist", 0.984, 0.97, 0.95), ("fashion", 0.89, 0.86, 0.69)]
)
def test_shipped_classifier(name, stated, at_least, sure, sample_only):
    classifier, test = scores.load_classifier(name), data.load(name, train=False)
    assert not classifier.training and stated <= classifier.accuracy < 1
    right = scores.probabilities(scores.unit(test), classifier).argmax(1) == test.labels
    assert right.double().mean() >= at_least
    assert scores.kl(scores.class_shares(test, classifier), [0.1] * 10) < 0.005  # ten equal classes
    assert scores.sure_share(test, classifier) > sure
    assert scores.sure_share(images(100), classifier) < 0.6  # noise is no class


def test_shipped_file_is_small():
    assert scores.CLASSIFIERS.stat().st_size < 1.5e6


def test_train_is_repeatable_and_keeps_the_callers_randomness(sample_only):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = scores.train_classifier("mnist", epochs=1)
    assert torch.equal(torch.rand(3), expected)
    again, other = scores.train_classifier("mnist", epochs=1), scores.train_classifier("mnist", 1, epochs=1)
    assert one.accuracy > 0.85 and not one.training
    for (name, a), b, c in zip(one.state_dict().items(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b) and torch.equal(a, a.half().float())
        assert "weight" not in name or not torch.equal(a, c)


def test_classifiers_survive_the_file(tmp_path):
    path = tmp_path / "two.safetensors"
    pair = {
        name: scores.Classifier(accuracy).half().float()
        for name, accuracy in (("mnist", 0.5), ("fashion", 0.25))
    }
    scores.save_classifiers(pair, path)
    for name, classifier in pair.items():
        loaded = scores.load_classifier(name, path)
        assert loaded.accuracy == classifier.accuracy
        for a, b in zip(loaded.parameters(), classifier.parameters(), strict=True):
            assert torch.equal(a, b)


BREAKS = {
    "missing": lambda path: path.unlink(),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-10]),
    "foreign": lambda path: path.write_bytes(b"not a safetensors file at all"),
    "no metadata": lambda path: save_file({"x": torch.zeros(1)}, path),
    "other tensors": lambda path: save_file({"x": torch.zeros(1)}, path, {"accuracy": '{"mnist": 1}'}),
}


@pytest.mark.parametrize("name", BREAKS)
def test_broken_file(name, tmp_path):
    path = tmp_path / "classifier.safetensors"
    path.write_bytes(scores.CLASSIFIERS.read_bytes())
    scores.load_classifier("mnist", path)
    BREAKS[name](path)
    with pytest.raises(data.DataError, match="classifier.safetensors.*python -m ganlib.scores"):
        scores.load_classifier("mnist", path)


def test_unknown_name():
    with pytest.raises(data.DataError, match="'cifar'"):
        scores.load_classifier("cifar")


# ------------------------------------------------------------------------------------------ all at once


def test_score_all_on_the_sample(sample_only):
    train = data.load("mnist").pixels[:2_000]
    found = scores.score_all(train / 255, "mnist")
    assert json.loads(json.dumps(found)) == found
    assert set(found) == {"parzen", "parzen_se", "sigma", "frechet", "sure", "kl", "shares", "comparable"}
    assert found["comparable"] is False
    validation, test, _ = scores.held_out("mnist")
    alone, classifier = scores.parzen(train, test, validation), scores.load_classifier("mnist")
    assert (found["parzen"], found["parzen_se"]) == pytest.approx((alone.mean, alone.standard_error))
    assert found["frechet"] == pytest.approx(scores.frechet(train, test, classifier), rel=1e-6)
    assert found["kl"] < 0.005 and sum(found["shares"]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("n", "full", "comparable"), [(10_000, True, True), (9_999, True, False), (10_000, False, False)]
)
@pytest.mark.filterwarnings("ignore:σ")
def test_only_ten_thousand_samples_against_the_full_set_compare(n, full, comparable, monkeypatch):
    few = data.load("mnist", train=False).pixels[:20]
    monkeypatch.setattr(scores, "held_out", lambda name: (few[:10], few[10:], full))
    assert scores.score_all(few.repeat(n // 20 + 1, 1, 1)[:n], "mnist")["comparable"] is comparable


def test_held_out_of_the_full_set(monkeypatch):
    def load(name, train=True):
        pixels = torch.arange(60_000 if train else 10_000)
        return data.Images(name, pixels, pixels, "cache", "")

    monkeypatch.setattr(data, "load", load)
    validation, test, full = scores.held_out("mnist")
    assert full and len(test) == 10_000
    assert (int(validation[0]), int(validation[-1])) == (50_000, 50_999)
