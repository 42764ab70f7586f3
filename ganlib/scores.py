"""How good are the samples? Five questions, each with its own blind spot.

`parzen`        how likely are unseen test images under the samples? (Table 1 of the paper; forgives blur)
`frechet`       are a classifier's features of the samples spread like those of real images?
`sure_share`    how many samples look clearly like one class? (one perfect digit, repeated, gets 1.0)
`class_shares`  how often is each class drawn? `kl` holds that against the real shares
`nearest`       which training images are the samples closest to? (Figure 2: did G memorise?)

Images come as (n, 1, 28, 28), (n, 28, 28) or (n, 784): floats in [0, 1], uint8 bytes, or a data.Images.
G's images are in [-1, 1]: score (x + 1) / 2, as `draw` does. All runs on the CPU, in chunks.
"""

import json
import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from ganlib import check, data, files

PIXELS = 28 * 28
SIGMAS = tuple(torch.logspace(-1, 0, 10, dtype=torch.float64).tolist())  # the authors' grid
SELECTION = 1_000  # validation images that choose σ
CHUNK = 2_000_000  # distances held at once (8 MB): bounds the memory, changes no result
CLASSIFIERS = data.ASSETS / "classifier.safetensors"  # tests/tools/train_classifier.py trains them


@torch.no_grad()
def draw(G):
    """10,000 images of G, float32 (10_000, 28, 28) in [0, 1] on the CPU: the same each time."""
    z = torch.randn(10_000, G.latent_dim, generator=torch.Generator().manual_seed(1))
    return (G(z.to(next(G.parameters()).device))[:, 0].cpu() + 1) / 2


def unit(images, name="samples"):
    """The images as float32 (n, 784) in [0, 1] on the CPU. Raises ValueError (Vietnamese)."""
    x = torch.as_tensor(getattr(images, "pixels", images)).detach().cpu()
    ok = tuple(x.shape[1:]) in ((1, 28, 28), (28, 28), (PIXELS,)) and len(x)
    check.require(ok, name, "ảnh (n, 1, 28, 28), (n, 28, 28) hoặc (n, 784), n ít nhất là 1", x)
    x = (x / 255 if x.dtype == torch.uint8 else x.float()).reshape(len(x), PIXELS)
    low, high = map(float, x.aminmax())
    if not (low >= 0 and high <= 1):  # nan is neither
        raise ValueError(
            f"{name} phải nằm trong [0, 1]; đã nhận từ {low:.3g} đến {high:.3g}. "
            "Ảnh của G (sau Tanh) nằm trong [-1, 1]: hãy đổi bằng (x + 1) / 2. Ảnh 0 … 255: hãy chia cho 255."
        )
    return x


def squared_distances(a, b):
    """Yields ‖a_i − b_j‖², rows of a after rows: float32 (rows, len(b)), of floats a (n, d) and b (m, d).

    ‖a‖² + ‖b‖² − 2 a·b is one matrix product; a and b are centred first, so that little cancels.
    """
    centre = b.mean(0)
    a, b = a - centre, b - centre
    b_norms = (b * b).sum(1, dtype=torch.float64)
    for rows in a.split(max(1, CHUNK // len(b))):
        norms = ((rows * rows).sum(1, dtype=torch.float64)[:, None] + b_norms).float()
        yield torch.addmm(norms, rows, b.T, alpha=-2).clamp_(min=0)


@dataclass(frozen=True)
class Parzen:
    """A Parzen-window log-likelihood; all in nats but σ, which is in pixel values."""

    curve: dict  # σ -> mean over the validation images
    sigma: float  # the σ with the best mean there
    mean: float  # over the test images
    standard_error: float  # std/√n over the test images: says nothing of other seeds


def parzen(samples, test, validation, sigmas=SIGMAS):
    """How likely the `test` images are under a Gaussian window of width σ around each sample: a Parzen.

    σ is the one of `sigmas` with the best mean on the first 1,000 `validation` images (see `held_out`).
    Goodfellow et al. 2014, section 5. Warns where σ is at the grid's edge. Raises ValueError (Vietnamese).
    """
    samples, test, validation = unit(samples), unit(test, "test"), unit(validation, "validation")
    means = log_likelihood(samples, validation[:SELECTION], sigmas).mean(1).tolist()
    curve = dict(zip(sigmas, means, strict=True))
    sigma = max(curve, key=curve.get)
    if sigma in (min(sigmas), max(sigmas)):
        warnings.warn(
            f"σ = {sigma:.3g} nằm ở mép của lưới {min(sigmas):.3g} … {max(sigmas):.3g}: σ tốt hơn có thể "
            "nằm ngoài lưới. Hãy nới lưới sigmas trước khi tin con số này.",
            stacklevel=2,
        )
    scores = log_likelihood(samples, test, [sigma])[0]
    return Parzen(curve, sigma, float(scores.mean()), float(scores.std()) / math.sqrt(len(scores)))


@torch.no_grad()
def log_likelihood(samples, images, sigmas):
    """log p(x) = logmeanexp_j(−‖x − μ_j‖²/(2σ²)) − d log(σ√(2π)), in nats: float64 (len(sigmas), n).

    samples μ (m, d), images x (n, d): floats in whatever range (nothing is checked here).
    """
    chunks = []
    for distances in squared_distances(images, samples):
        chunks.append(torch.stack([(distances * (-0.5 / s**2)).logsumexp(1) for s in sigmas]).double())
    m, d = samples.shape
    constants = [math.log(m) + d * math.log(s * math.sqrt(2 * math.pi)) for s in sigmas]
    return torch.cat(chunks, 1) - torch.tensor(constants, dtype=torch.float64)[:, None]


class Classifier(nn.Module):
    """A small network that knows the ten classes: images (n, 784) in [0, 1] -> logits (n, 10).

    Its features (n, 64) are what the last layer reads; `accuracy` is its share of right test images.
    """

    def __init__(self, accuracy=math.nan):
        super().__init__()
        self.accuracy = accuracy
        first = nn.Dropout(0.1), nn.Linear(PIXELS, 256), nn.ReLU()
        self.features = nn.Sequential(*first, nn.Dropout(0.2), nn.Linear(256, 64), nn.ReLU())
        self.last = nn.Sequential(nn.Dropout(0.1), nn.Linear(64, 10))

    def forward(self, x):
        return self.last(self.features(x))


def load_classifier(name, path=CLASSIFIERS):
    """The shipped Classifier of "mnist" or "fashion", in eval mode. Raises data.DataError (Vietnamese)."""
    name = data.canonical(name)
    try:
        if not files.intact(Path(path).read_bytes()):
            raise ValueError("seal")
        with safe_open(path, "pt") as file:
            classifier = Classifier(json.loads(file.metadata()["accuracy"])[name])
            weights = {key: file.get_tensor(f"{name}.{key}") for key in classifier.state_dict()}
    except (OSError, ValueError, SafetensorError) as error:
        raise data.DataError(
            f"Không đọc được bộ phân lớp {name!r} trong tệp {Path(path).name}. Hãy lấy lại thư mục "
            "ganlib/assets từ kho mã."
        ) from error
    classifier.load_state_dict(weights)
    return classifier.eval()


@torch.no_grad()
def class_shares(samples, classifier):
    """The share of the samples that the classifier puts into each class: float64 (10,), sum 1."""
    classes = classifier(unit(samples)).argmax(1)
    return torch.bincount(classes, minlength=10).double() / len(classes)


@torch.no_grad()
def sure_share(samples, classifier):
    """The share, in [0, 1], of the samples whose likeliest class has a probability above 0.9."""
    likeliest = classifier(unit(samples)).softmax(1).amax(1)
    return float((likeliest > 0.9).double().mean())


def kl(p, q):
    """KL(p ‖ q) = Σ p log(p/q) in nats; p the generated class shares, q the real ones, both (classes,).

    A class that G never draws (p = 0) adds 0; one that only G draws (q = 0) makes it inf. Raises ValueError.
    """
    p, q = (torch.as_tensor(shares, dtype=torch.float64) for shares in (p, q))
    if p.shape != q.shape or not all(s.min() >= 0 and abs(s.sum() - 1) <= 1e-6 for s in (p, q)):
        raise ValueError("kl cần hai dãy tỉ lệ dài bằng nhau, không âm, mỗi dãy có tổng bằng 1.")
    return float((p * (p / q).log())[p > 0].sum())


@torch.no_grad()
def frechet(samples, real, classifier):
    """The Fréchet distance between Gaussians fitted to the classifier's features (Heusel et al. 2017).

    ‖m_a − m_b‖² + tr(C_a + C_b − 2 (C_a^½ C_b C_a^½)^½), in squared feature units: only values by the same
    classifier compare; below some thousand images it comes out too large. Raises ValueError (Vietnamese).
    """
    a, b = (classifier.features(x).double() for x in (unit(samples), unit(real, "real")))
    cov_a, cov_b = a.T.cov(), b.T.cov()
    values, vectors = torch.linalg.eigh(cov_a)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    overlap = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    distance = (a.mean(0) - b.mean(0)).pow(2).sum() + cov_a.trace() + cov_b.trace() - 2 * overlap
    return max(0.0, float(distance))  # rounding may leave −1e-12


@torch.no_grad()
def nearest(samples, train, k=1):
    """The k training images closest to each sample: (indices (n, k) int64, distances (n, k) float32).

    Distances ‖x − y‖ over the 784 pixels in [0, 1], nearest first. Raises ValueError (Vietnamese).
    """
    samples, train = unit(samples), unit(train, "train")
    check.whole("k", k, 1, len(train))
    chunks = squared_distances(samples, train)
    indices = torch.cat([chunk.topk(k, largest=False).indices for chunk in chunks])
    exact = [(samples - train[column]).norm(dim=1) for column in indices.T]  # 0 for a copy
    return indices, torch.stack(exact, 1)


def held_out(name):
    """(validation, test, full): the Parzen protocol's images, uint8 (n, 28, 28), and if the set is complete.

    Validation: training images 50,000…50,999. Of the shipped sample its last 1,000: full is False then.
    """
    train, test = data.load(name), data.load(name, train=False)
    full = test.source != "sample"
    start = 50_000 if full else len(train) - SELECTION
    return train.pixels[start : start + SELECTION], test.pixels, full


def score_all(samples, name):
    """Every score of `samples` against the test images of "mnist" or "fashion", as a dict ready for JSON.

    comparable: the Parzen score may stand beside the paper's (10,000 samples, the complete data set).
    """
    samples, (validation, test, full), classifier = unit(samples), held_out(name), load_classifier(name)
    likelihood = parzen(samples, test, validation)
    found = {"parzen": likelihood.mean, "parzen_se": likelihood.standard_error, "sigma": likelihood.sigma}
    found |= by_classifier(samples, test, classifier)
    found["shares"] = class_shares(samples, classifier).tolist()
    return found | {"comparable": full and len(samples) == 10_000}


def by_classifier(samples, real, classifier):
    """The three scores that take a second."""
    return {
        "frechet": frechet(samples, real, classifier),
        "sure": sure_share(samples, classifier),
        "kl": kl(class_shares(samples, classifier), class_shares(real, classifier)),
    }


def scorer(name):
    """For record.train_and_record: a function state -> {score: number} that also prints them.

    Of 10,000 images of the generator that is shown; where that is an average, "plain_…" are G's own.
    """
    classifier, test = load_classifier(name), held_out(name)[1]  # their errors come before any work

    def score(state):
        found = score_all(draw(state.sampler()), name)
        del found["shares"], found["comparable"]
        if state.G_avg is not None:
            plain = by_classifier(draw(state.G), test, classifier)
            found |= {f"plain_{key}": value for key, value in plain.items()}
        print("  " + ", ".join(f"{key} {value:.4g}" for key, value in found.items()))
        return found

    return score
