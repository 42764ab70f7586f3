"""The small worlds of notebook 06: densities that integrate to 1, samples that follow them, divergences."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ganlib import toy
from ganlib.figures import png
from ganlib.toy_figures import curves, line_panels, planes

WORLDS = {"gaussian": toy.gaussian, "two_peaks": toy.two_peaks} | toy.SHAPES


def cells(d, bins):
    """The middles of equal cells over −5 … 5 in d dimensions, (bins^d, d), and the size of a cell."""
    side = (torch.arange(bins) + 0.5) * (10 / bins) - 5
    return torch.cartesian_prod(*[side] * d).view(-1, d), (10 / bins) ** d


@pytest.mark.parametrize("name", WORLDS)
def test_the_density_integrates_to_1_and_the_samples_follow_it(name):
    world = WORLDS[name]()
    d = world.centres.shape[1]
    x, size = cells(d, 250)
    p = torch.cat([world.density(part) for part in x.split(10_000)])
    assert float(p.sum() * size) == pytest.approx(1, abs=2e-3)
    torch.manual_seed(0)
    samples = world.sample(100_000)
    assert samples.shape == (100_000, d) and samples.dtype == torch.float32
    mean = (x * p[:, None]).sum(0) * size
    square = (x**2 * p[:, None]).sum(0) * size
    assert torch.allclose(samples.mean(0), mean, atol=0.02)
    assert torch.allclose((samples**2).mean(0), square, rtol=0.02, atol=0.02)
    for low, high in ((-5, 0), (-1, 1), (0.5, 2)):  # and not only in its moments
        inside = ((x >= low) & (x < high)).all(1)
        share = ((samples >= low) & (samples < high)).all(1).float().mean()
        assert float(p[inside].sum() * size) == pytest.approx(float(share), abs=0.01)


def test_a_density_of_a_gaussian_by_hand():
    x = torch.tensor([[0.0], [1.0], [2.5]])
    normal = torch.distributions.Normal(1.0, 0.6)
    assert torch.allclose(toy.gaussian(1, 0.6).density(x), normal.log_prob(x)[:, 0].exp())


@pytest.mark.parametrize("n", [0, -1, 2.5, "3"])
def test_sample_refuses(n):
    with pytest.raises(ValueError, match="số nguyên từ 1 trở lên"):
        toy.ring().sample(n)


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 3), (5, 2, 1)])
def test_density_refuses(shape):
    with pytest.raises(ValueError, match=r"\(n, 2\)"):
        toy.ring().density(torch.zeros(shape))


# --- coverage ---


@pytest.mark.parametrize("name", toy.SHAPES)
def test_real_points_reach_every_mode(name):
    torch.manual_seed(1)
    world = toy.SHAPES[name]()
    reached, modes = toy.coverage(world.sample(1000), world)
    assert reached == modes == {"ring": 8, "grid": 25, "moons": 8, "line": 8, "squares": 2}[name]


def test_coverage_counts_only_points_that_are_near():
    ring = toy.ring()
    one = ring.centres[:1].repeat(100, 1)
    assert toy.coverage(one, ring) == (1, 8)
    assert toy.coverage(ring.centres * 1.1, ring) == (8, 8)  # 0.2 away: two spreads
    assert toy.coverage(ring.centres * 1.2, ring) == (0, 8)  # 0.4 away: four
    assert toy.coverage(torch.full((100, 2), math.nan), ring) == (0, 8)
    squares = toy.squares()
    assert toy.coverage(torch.tensor([[1.3, 2.1], [-2.1, -1.3]]), squares) == (2, 2)
    assert toy.coverage(torch.tensor([[1.1, 1.7], [0.0, 0.0]]), squares) == (0, 2)


def test_a_mode_needs_a_quarter_of_its_share():
    ring = toy.ring()
    few = torch.cat([ring.centres[:1].repeat(97, 1), ring.centres[1:2].repeat(3, 1)])
    assert toy.coverage(few, ring) == (1, 8)  # 3 of 100, and a quarter of a fair share is 3.125
    assert toy.coverage(torch.cat([few, ring.centres[1:2]]), ring) == (2, 8)


# --- one dimension ---


def test_density_of_G_is_exact_for_a_G_known_by_hand():
    G = nn.Linear(1, 1)
    for a, b in ((0.6, 1.0), (-0.6, 1.0)):  # x = a z + b is N(b, a²)
        nn.init.constant_(G.weight, a)
        nn.init.constant_(G.bias, b)
        x, middle = toy.edges(-4, 6)
        assert torch.allclose(toy.density_of_G(G, x), toy.gaussian(1, 0.6).density(middle), atol=2e-3)
    fold = lambda z: z.abs()  # noqa: E731, two z fall on each x
    x, middle = toy.edges(-1, 5, 300)
    twice = 2 * toy.gaussian(0, 1).density(middle) * (middle[:, 0] > 0)
    assert torch.allclose(toy.density_of_G(fold, x), twice, atol=5e-3)
    constant = toy.density_of_G(lambda z: 0 * z + 0.503, x)  # all in one bin
    assert float(constant.sum() * (x[1] - x[0])) == pytest.approx(1, abs=1e-3)


def test_jsd():
    x, middle = toy.edges(-8, 8, 1600)
    dx = float(x[1] - x[0])
    p, q, far = (toy.gaussian(*one).density(middle) for one in ((0, 1), (1, 0.6), (6, 0.2)))
    assert toy.jsd(p, p, dx) == pytest.approx(0, abs=1e-6)
    assert toy.jsd(p, q, dx) == pytest.approx(toy.jsd(q, p, dx))
    assert toy.jsd(p, far, dx) == pytest.approx(math.log(2), abs=1e-4)
    a, b = np.random.default_rng(0).normal(0, 1, 400_000), np.random.default_rng(1).normal(1, 0.6, 400_000)
    density = lambda v, mean, s: np.exp(-(((v - mean) / s) ** 2) / 2) / (s * math.sqrt(2 * math.pi))  # noqa: E731
    log = lambda v: np.log(2 * density(v, 0, 1) / (density(v, 0, 1) + density(v, 1, 0.6)))  # noqa: E731
    gol = lambda v: np.log(2 * density(v, 1, 0.6) / (density(v, 0, 1) + density(v, 1, 0.6)))  # noqa: E731
    assert toy.jsd(p, q, dx) == pytest.approx((log(a).mean() + gol(b).mean()) / 2, abs=2e-3)


def test_mlp():
    G = toy.mlp(3, 2, width=5, layers=2)
    assert G(torch.zeros(7, 3)).shape == (7, 2)
    assert [tuple(p.shape) for p in G.parameters()] == [(5, 3), (5,), (5, 5), (5,), (2, 5), (2,)]


# --- pictures ---


def test_pictures_can_be_drawn():
    torch.manual_seed(0)
    world, ring = toy.gaussian(1, 0.6), toy.ring()
    G, D = toy.mlp(1, 1), toy.mlp(1, 1)
    four = line_panels([("(a)", G, D), ("(b)", None, D), ("(c)", G, None), ("(d)", None, None)], world)
    assert len(four.axes) == 5 and len(png(four)) > 5_000
    plane = planes([("một", ring.sample(50), toy.mlp(2, 1)), ("hai", None, None)], ring.sample(50))
    assert len(plane.axes) == 3 and len(png(plane)) > 5_000
    lines = [("một", [1, 2, 3], [[0.1, 1, 10], [0.2, 2, 20]], "k", "-"), ("hai", [1, 3], [5, 50], "k", "o")]
    for log in (False, True):
        figure = curves(lines, "x", "y", levels=[(1, "mức")], log=log)
        assert [
            text.get_text() for ax in figure.axes for text in ax.texts if text.get_text() in ("một", "hai")
        ]
        assert len(png(figure)) > 5_000
