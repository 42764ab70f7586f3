"""Small worlds in which everything can be seen: 1-D and 2-D distributions with exact densities (notebook 06).

Points are float32 tensors (n, d), d = 1 or 2; random numbers come from torch's global generator.
"""

import math
from dataclasses import dataclass

import torch
from torch import nn

from ganlib import check
from ganlib.networks import SLOPE


@dataclass(frozen=True)
class Mixture:
    """Equal parts round each of the centres (c, d): N(centre, spread²·I), or uniform in centre ± spread."""

    centres: torch.Tensor
    spread: float
    uniform: bool = False

    def sample(self, n):
        """n points, (n, d)."""
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


def coverage(points, data):
    """How many centres of `data` (a Mixture) the points (n, d) reach: (modes reached, modes).

    A point counts for its nearest centre, if it lies within 3 spreads of it (each coordinate within 1, where
    uniform). A mode is reached if it gets at least a quarter of its fair share of all points.
    """
    away, modes = data.away(points), len(data.centres)
    distance = away.abs().amax(2) if data.uniform else away.norm(dim=2)
    nearest, centre = distance.min(1)
    near = nearest <= (1 if data.uniform else 3)
    found = torch.bincount(centre[near], minlength=modes)
    return int((found >= 0.25 * len(points) / modes).sum()), modes


def gaussian(mean=0.0, spread=1.0):
    """N(mean, spread²) on the line."""
    return Mixture(torch.tensor([[float(mean)]]), spread)


def two_peaks(mean=1.5, spread=0.5):
    """Half N(−mean, spread²), half N(mean, spread²), on the line."""
    return Mixture(torch.tensor([[-float(mean)], [float(mean)]]), spread)


def ring():
    """Eight Gaussians on a circle of radius 2."""
    angles = torch.arange(8) * (math.pi / 4)
    return Mixture(2 * torch.stack([angles.cos(), angles.sin()], 1), 0.1)


def grid():
    """Twenty-five Gaussians at the crossings of a 5 × 5 grid."""
    places = torch.linspace(-2, 2, 5)
    return Mixture(torch.cartesian_prod(places, places), 0.1)


def squares():
    """Two squares far apart, evenly filled, and nothing between them."""
    return Mixture(torch.tensor([[-1.7, -1.7], [1.7, 1.7]]), 0.5, uniform=True)


SHAPES = {"ring": ring, "grid": grid, "squares": squares}  # the 2-D ones


def mlp(inputs, outputs, width=64):
    """Two hidden layers with LeakyReLU: a G (noise to points), or a D (points to one logit)."""
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.LeakyReLU(SLOPE),
        nn.Linear(width, width),
        nn.LeakyReLU(SLOPE),
        nn.Linear(width, outputs),
    )


def edges(low, high):
    """The edges of 400 equal bins and their middles (400, 1): where densities on the line are looked at."""
    x = torch.linspace(low, high, 401)
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
    check.require(p.shape == q.shape, "p và q", "hai dãy mật độ dài bằng nhau", (p.shape, q.shape))
    p, q = p.double(), q.double()
    middle = (p + q) / 2
    kl = [torch.xlogy(one, one / middle.clamp(min=1e-300)).sum() * dx for one in (p, q)]
    return float((kl[0] + kl[1]) / 2)
