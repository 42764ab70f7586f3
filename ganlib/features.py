"""What a classifier sees in the samples: seven measures, each with its own blind spot.

`frechet`     are its features of the samples spread like those of real images?
`neighbours`  precision, recall, density, coverage: do the two sets lie within each other's reach?
`sure_share`  how many samples look clearly like one class? (one perfect digit, repeated, gets 1.0)
`kl`          is each class drawn as often as it really comes? (`class_shares`)

Images come as (n, 1, 28, 28), (n, 28, 28) or (n, 784): floats in [0, 1], uint8 bytes, or a data.Images.
"""

import json
import math
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from ganlib import check, data, files

PIXELS = 28 * 28
CHUNK = 2_000_000  # distances held at once (8 MB): bounds the memory, changes no result
CLASSIFIERS = data.ASSETS / "classifier.safetensors"  # tests/tools/train_classifier.py trains them
K = 5  # neighbours that a reach spans: see `neighbours`


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
    return _frechet(classifier.features(unit(samples)), classifier.features(unit(real, "real")))


def _frechet(a, b):
    a, b = a.double(), b.double()
    cov_a, cov_b = a.T.cov(), b.T.cov()
    values, vectors = torch.linalg.eigh(cov_a)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    overlap = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    distance = (a.mean(0) - b.mean(0)).pow(2).sum() + cov_a.trace() + cov_b.trace() - 2 * overlap
    return max(0.0, float(distance))  # rounding may leave −1e-12


@torch.no_grad()
def neighbours(samples, real, classifier, k=K):
    """How far samples and real images lie within each other's reach, in the classifier's features: a dict.

    An image's reach is the distance to its k-th neighbour among its own kind.
    precision  share of samples within reach of some real image      (Kynkäänniemi et al. 2019)
    recall     share of real images within reach of some sample
    density    of how many real images a sample lies within reach, on average, over k; may exceed 1
    coverage   share of real images with some sample within reach    (both: Naeem et al. 2020)
    Raises ValueError (Vietnamese), also with fewer than k + 1 images of a kind.
    """
    a, b = classifier.features(unit(samples)), classifier.features(unit(real, "real"))
    return _neighbours(a, b, reach(b, k), k)


def reach(x, k=K):
    """The squared distance from each row of x (n, d) to its k-th nearest other row: (n,)."""
    check.whole("k", k, 1, len(x) - 1)
    rows = [distances.topk(k + 1, largest=False).values[:, -1] for distances in squared_distances(x, x)]
    return torch.cat(rows)  # the nearest is the row itself


def _neighbours(a, b, reach_b, k=K):
    reach_a, recalled, covered = reach(a, k), [], []
    balls = torch.zeros(len(a))  # in how many real images' reach each sample lies
    for distances, r in zip(squared_distances(b, a), reach_b.split(max(1, CHUNK // len(a))), strict=True):
        within = distances <= r[:, None]
        balls += within.sum(0)
        covered.append(within.any(1))
        recalled.append((distances <= reach_a).any(1))
    precision, density = (balls > 0).double().mean(), balls.double().mean() / k
    recall, coverage = (torch.cat(found).double().mean() for found in (recalled, covered))
    found = {"precision": precision, "recall": recall, "density": density, "coverage": coverage}
    return {name: float(value) for name, value in found.items()}


def against(real, classifier):
    """A function samples -> the seven measures against these real images (looked at once), as a dict."""
    with torch.no_grad():
        features = classifier.features(unit(real, "real"))
    shares, reach_real = class_shares(real, classifier), reach(features)

    @torch.no_grad()
    def measures(samples):
        x = unit(samples)
        own = classifier.features(x)
        found = {"frechet": _frechet(own, features)} | _neighbours(own, features, reach_real)
        found |= {"sure": sure_share(x, classifier), "kl": kl(class_shares(x, classifier), shares)}
        return found

    return measures
