"""Small worlds in which everything can be seen: 1-D and 2-D distributions with exact densities (notebook 06).

Points are float32 tensors (n, d), d = 1 or 2; random numbers come from torch's global generator.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from ganlib import check
from ganlib.networks import SLOPE


@dataclass(frozen=True)
class Mixture:
    """Equal parts of one noise round each centre: N(centre, spread²·I), or uniform in centre ± spread.

    centres: (c, d); parts: (c,) int64, the mode that a centre belongs to (0, 1, …): what `coverage` counts.
    """

    centres: torch.Tensor
    spread: float
    parts: torch.Tensor
    uniform: bool = False

    def __post_init__(self):
        check.positive("spread", self.spread)

    def sample(self, n):
        """n points, (n, d)."""
        check.whole("n (số điểm)", n)
        centres = self.centres[torch.randint(len(self.centres), (n,))]
        noise = 2 * torch.rand_like(centres) - 1 if self.uniform else torch.randn_like(centres)
        return centres + self.spread * noise

    def density(self, x):
        """p(x) of points x (n, d): float32 (n,); its integral over all x is 1. Raises ValueError (shape)."""
        away = self.away(x)
        if self.uniform:
            return (away.abs() <= 1).all(2).float().mean(1) / (2 * self.spread) ** away.shape[2]
        peak = (2 * math.pi * self.spread**2) ** (-away.shape[2] / 2)
        return torch.exp(-away.square().sum(2) / 2).mean(1) * peak

    def away(self, x):
        """From each centre to each point, in spreads: (n, c, d)."""
        d = self.centres.shape[1]
        ok = x.ndim == 2 and x.shape[1] == d
        check.require(ok, "Các điểm", f"tensor số thực, hình dạng (n, {d})", x)
        return (x[:, None] - self.centres) / self.spread


def coverage(points, data, enough=0.25):
    """How many modes of `data` (a Mixture) the points (n, d) reach: (modes reached, modes).

    A point counts for the mode of its nearest centre, if it lies within 3 spreads of it (each coordinate
    within 1, where uniform). A mode is reached if it gets at least `enough` of its fair share of all points.
    """
    away = data.away(points)
    distance = away.abs().amax(2) if data.uniform else away.norm(dim=2)
    nearest, centre = distance.min(1)
    near = nearest <= (1 if data.uniform else 3)  # NaN is near to nothing
    modes = int(data.parts.max()) + 1
    found = torch.bincount(data.parts[centre[near]], minlength=modes)
    return int((found >= enough * len(points) / modes).sum()), modes


def gaussian(mean=0.0, spread=1.0):
    """N(mean, spread²) on the line."""
    return Mixture(torch.tensor([[float(mean)]]), spread, torch.arange(1))


def two_peaks(mean=1.5, spread=0.5):
    """Half N(−mean, spread²), half N(mean, spread²), on the line."""
    return Mixture(torch.tensor([[-float(mean)], [float(mean)]]), spread, torch.arange(2))


def ring(spread=0.1):
    """Eight Gaussians on a circle of radius 2: eight modes."""
    angles = torch.arange(8) * (math.pi / 4)
    return Mixture(2 * torch.stack([angles.cos(), angles.sin()], 1), spread, torch.arange(8))


def grid(spread=0.1):
    """Twenty-five Gaussians at the crossings of a 5 × 5 grid: 25 modes."""
    places = torch.linspace(-2, 2, 5)
    return Mixture(torch.cartesian_prod(places, places), spread, torch.arange(25))


def moons(spread=0.1):
    """Two half circles that reach into each other; modes are their eight quarters."""
    angles = torch.linspace(0, math.pi, 64)
    upper = 1.3 * torch.stack([angles.cos(), angles.sin()], 1) - torch.tensor([0.65, 0.3])
    return Mixture(torch.cat([upper, -upper]), spread, torch.arange(128) // 16)


def line(spread=0.1):
    """A straight band from one corner to the other; modes are its eight pieces."""
    places = torch.linspace(-2, 2, 64)
    return Mixture(torch.stack([places, places], 1), spread, torch.arange(64) // 8)


def squares(side=1.0):
    """Two squares far apart, evenly filled: two modes, and nothing between them."""
    return Mixture(torch.tensor([[-1.7, -1.7], [1.7, 1.7]]), side / 2, torch.arange(2), uniform=True)


SHAPES = {"ring": ring, "grid": grid, "moons": moons, "line": line, "squares": squares}  # the 2-D ones


def mlp(inputs, outputs, width=64, layers=2):
    """Hidden layers of `width` with LeakyReLU: a G (noise to points), or a D (points to one logit)."""
    stack = []
    for wide_in, wide_out in pairwise([inputs, *[width] * layers]):
        stack += [nn.Linear(wide_in, wide_out), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*stack, nn.Linear(width, outputs))


def edges(low, high, bins=400):
    """The edges of equal bins and their middles (bins, 1): where densities on the line are looked at."""
    x = torch.linspace(low, high, bins + 1)
    return x, ((x[1:] + x[:-1]) / 2)[:, None]


@torch.no_grad()
def density_of_G(G, x):
    """p_g in the bins between the edges x (b + 1,): float32 (b,), for G: z ~ N(0, 1) (n, 1) -> (n, 1).

    Exact but for the grid of z: what N(0, 1) puts between two neighbouring z, G puts evenly between their
    images, wherever these lie.
    """
    check.require(x.ndim == 1, "x", "các mép (b + 1,), tức edges(…)[0]", x)
    z = torch.linspace(-6, 6, 4001)
    mass = torch.distributions.Normal(0.0, 1.0).cdf(z.double()).diff()
    ends = G(z[:, None])[:, 0].double()
    left, right = torch.minimum(ends[1:], ends[:-1]), torch.maximum(ends[1:], ends[:-1])
    share = (x.double()[:, None] - left) / (right - left).clamp(min=1e-9)  # of each piece below each edge
    below = share.clamp(0, 1) @ mass
    return (below.diff() / x.double().diff()).float()


def jsd(p, q, dx):
    """Jensen–Shannon divergence in nats, 0 … log 2, of densities p, q (b,) on bins of width dx.

    ½ KL(p ‖ m) + ½ KL(q ‖ m), m = (p + q)/2 (Goodfellow et al. 2014, section 4.1).
    """
    ok = p.shape == q.shape and bool((p >= 0).all() and (q >= 0).all())
    check.require(ok, "p và q", "hai dãy mật độ không âm, dài bằng nhau", (p, q))
    p, q = p.double(), q.double()
    middle = (p + q) / 2
    kl = [torch.xlogy(one, one / middle.clamp(min=1e-300)).sum() * dx for one in (p, q)]
    return float((kl[0] + kl[1]) / 2)
