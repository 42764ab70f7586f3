"""How good are the samples? Table 1's measure, the nearest training images, and all scores of a generator.

`parzen`     how likely are unseen test images under the samples? (Table 1 of the paper; forgives blur)
`nearest`    which training images are the samples closest to? (Figure 2: did G memorise?)
`score_all`  both kinds of scores of a generator, each with its spread (ganlib.features: a classifier's)

G's images are in [-1, 1]: score (x + 1) / 2, as `draw` does. All runs on the CPU, in chunks.
"""

import math
import warnings
from dataclasses import dataclass

import torch

from ganlib import check, data
from ganlib.features import (  # noqa: F401, offered here too
    against,
    class_shares,
    frechet,
    kl,
    load_classifier,
    neighbours,
    squared_distances,
    sure_share,
    unit,
)

SIGMAS = tuple(torch.logspace(-1, 0, 10, dtype=torch.float64).tolist())  # the authors' grid
SELECTION = 1_000  # validation images that choose σ
DRAWS = 10  # of 10,000 samples each, over which a score's mean and standard deviation are taken


@torch.no_grad()
def draw(G, seed=1):
    """10,000 images of G, float32 (10_000, 28, 28) in [0, 1] on the CPU: the same each time for one seed."""
    z = torch.randn(10_000, G.latent_dim, generator=torch.Generator().manual_seed(seed))
    return (G(z.to(next(G.parameters()).device))[:, 0].cpu() + 1) / 2


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


def spread(rows):
    """[{name: number}, …] -> {name: mean, name_sd: standard deviation} over the rows."""
    columns = {name: torch.tensor([row[name] for row in rows], dtype=torch.float64) for name in rows[0]}
    sd = {f"{name}_sd": float(values.std()) for name, values in columns.items()}
    return {name: float(values.mean()) for name, values in columns.items()} | sd


def over_draws(G, measures, draws=DRAWS):
    """The measures (a function of samples, as `against` makes it) over draws of z: see `spread`."""
    return spread([measures(draw(G, seed)) for seed in range(1, draws + 1)])


def floor(name, measures, draws=DRAWS):
    """The same of real images in place of samples: 10,000 training images, drawn anew each time."""
    pixels, random = data.load(name).pixels, torch.Generator().manual_seed(0)
    n = min(10_000, len(pixels) // 2)
    orders = [torch.randperm(len(pixels), generator=random) for _ in range(draws)]
    return spread([measures(pixels[order[:n]]) for order in orders])


def likelihood(samples, test, validation):
    """The Parzen score as it stands in the tables: mean, standard error over the test images, σ."""
    found = parzen(samples, test, validation)
    return {"parzen": found.mean, "parzen_se": found.standard_error, "sigma": found.sigma}


def score_all(G, name, draws=DRAWS):
    """Every score of G against the test images of "mnist" or "fashion", as a dict ready for JSON.

    Parzen (with parzen_se, over the test images) is of the first draw of z; the others are means over all
    draws, with their standard deviation beside (…_sd). comparable: Parzen may stand beside the paper's.
    """
    (validation, test, full), classifier = held_out(name), load_classifier(name)
    found = likelihood(draw(G), test, validation) | over_draws(G, against(test, classifier), draws)
    return found | {"comparable": full}


def scorer(name):
    """For record.train_and_record: a function state -> {score: number} that also prints them.

    Of the generator that is shown. D_train, D_test: the mean of D(x) over 10,000 training and test images.
    """
    validation, test, _ = held_out(name)
    measures = against(test, load_classifier(name))
    seen, unseen = (data.to_float(pixels) for pixels in (data.load(name).pixels[:10_000], test))

    @torch.no_grad()
    def score(state):
        G, D, device = state.sampler(), state.D.eval(), state.device
        found = likelihood(draw(G), test, validation) | over_draws(G, measures)
        for key, x in ("D_train", seen), ("D_test", unseen):
            found[key] = float(torch.sigmoid(D(x.to(device))).mean())
        D.train()
        print("  " + ", ".join(f"{key} {value:.4g}" for key, value in found.items() if "_sd" not in key))
        return found

    return score
