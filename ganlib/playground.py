"""The playground's machine: a GAN on the plane; k, rates and loss may change at any time (notebook 06)."""

import math
from collections import deque

import torch

from ganlib.algorithm import LOSSES_G, update_D, update_G
from ganlib.state import start
from ganlib.toy import SHAPES, coverage, mlp

KEPT = 4000  # iterations that the history reaches back
REAL, FIXED = 300, 1200  # real points that are shown; fixed noise, whose images are shown and counted


class Playground:
    """Algorithm 1 on a 2-D distribution of ganlib.toy, moved step by step; its random numbers are its own.

    shape, width, seed decide how it begins; k, loss and `set_rates` may change at any time. Raises ValueError
    (Vietnamese) on what cannot be.
    """

    def __init__(self, shape="ring", width=64, seed=0, k=1, lr_D=1e-3, lr_G=1e-3, loss="non_saturating"):
        if shape not in SHAPES:
            known = ", ".join(map(repr, SHAPES))
            raise ValueError(f"Không có dữ liệu {shape!r}. Hãy chọn một trong: {known}.")
        self.shape, self.width, self.data, self.k, self.loss = shape, width, SHAPES[shape](), k, loss
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            networks = {"G": mlp(2, 2, width), "D": mlp(2, 1, width)}
        settings = {"seed": seed, "k": k, "m": 256, "lr_D": lr_D, "lr_G": lr_G, "loss": loss, "latent_dim": 2}
        self.state = start("cpu", "fp32", **networks, **settings, average=0.0)
        with self.state.own_randomness():
            self.real, self.z = self.data.sample(REAL), self.state.noise(FIXED)
        self.loss_D = self.loss_G = math.nan
        self.turn, self.history = 0, deque(maxlen=KEPT)  # D's steps since G's last; (loss_D, loss_G)

    def step_D(self):
        """Steps 1 and 2 of Algorithm 1, on fresh points."""
        s = self.state
        with s.own_randomness():
            loss, *_ = update_D(s.D, s.G, self.data.sample(s.settings.m), s.noise(), s.optimizer_D)
        self.loss_D, self.turn = loss.item(), self.turn + 1

    def step_G(self):
        """Steps 4 and 5: an iteration is over."""
        s = self.state
        with s.own_randomness():
            loss, _ = update_G(s.D, s.G, s.noise(), s.optimizer_G, LOSSES_G[self.loss])
        self.loss_G, self.turn = loss.item(), 0
        s.iterations += 1
        self.history.append((self.loss_D, self.loss_G))

    def iteration(self):
        """D's steps until there are k, then G's one."""
        while self.turn < self.k:
            self.step_D()
        self.step_G()

    def set_rates(self, lr_D, lr_G):
        for optimizer, lr in ((self.state.optimizer_D, lr_D), (self.state.optimizer_G, lr_G)):
            optimizer.param_groups[0]["lr"] = lr

    @torch.no_grad()
    def points(self):
        """G of the fixed noise, (1200, 2)."""
        return self.state.G(self.z)

    def push(self, points):
        """Where D sends each point (n, 2): minus the gradient of that point's own loss, (n, 2)."""
        x = points.clone().requires_grad_()
        loss = LOSSES_G[self.loss](self.state.D(x)) * len(x)  # the loss is a mean: each point gets its own
        return -torch.autograd.grad(loss, x)[0]

    def coverage(self):
        """(modes reached, modes)."""
        return coverage(self.points(), self.data)

    def finite(self):
        """False once a loss is NaN or infinite."""
        return not self.history or all(map(math.isfinite, self.history[-1]))
